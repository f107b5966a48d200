// Drives report.html in frames of a desktop's and a phone's width, and writes down what holds.
"use strict";
const said = [];
const check = (name, holds) => said.push(`${holds ? "holds" : "FAILS"}: ${name}`);
const all = (frame, selector) => [...frame.contentDocument.querySelectorAll(selector)];
const one = (frame, selector) => frame.contentDocument.querySelector(selector);
const seen = (element) => element.getClientRects().length > 0;

function open(width, fragment, sandbox) {
  const frame = document.createElement("iframe");
  frame.style = `width:${width}px;height:844px;border:0`;
  if (sandbox) frame.sandbox = sandbox;
  return new Promise((done) => {
    frame.onload = () => done(frame);
    frame.src = `report.html${fragment}`;
    document.body.append(frame);
  });
}
/// Everything that a reader sees of the tables.
const shown = (frame) => all(frame, "main td, main tbody th").filter(seen).map((cell) => cell.innerText).join("|");
const texts = (frame, selector) => all(frame, selector).map((cell) => cell.textContent.trim());
const box = (frame, name, value) => all(frame, `#controls input[name="${name}"]`).find((it) => !value || it.value === value);
function click(element) { element.click(); }

async function sorting(frame, at) {
  const table = one(frame, "section table:has(tr[data-method])");
  const heads = [...table.tHead.rows[0].cells];
  const column = heads.findIndex((head) => head.dataset.name === "full update");
  const figures = () => [...table.tBodies[0].rows].map((row) => row.cells[column].dataset.v).filter(Boolean).map(Number);
  const button = heads[column].querySelector("button");
  button.focus();
  check(`${at}: a column's head takes the keyboard`, frame.contentDocument.activeElement === button);
  const before = figures().join();
  click(button);
  const up = figures();
  check(`${at}: a click sorts upwards`, up.every((it, nth) => !nth || up[nth - 1] <= it) && up.length > 3);
  check(`${at}: the sorted column says so`, heads[column].ariaSort === "ascending" && heads.filter((it) => it.ariaSort !== "none").length === 1);
  click(button);
  check(`${at}: a second click sorts downwards`, figures().join() === [...up].reverse().join() && heads[column].ariaSort === "descending");
  check(`${at}: the order is in the fragment`, /sort=t\d+:\d+:down/.test(frame.contentWindow.location.hash));
  click(button);
  check(`${at}: a third click gives the first order back`, figures().join() === before && frame.contentWindow.location.hash === "");
}
async function filters(frame, at) {
  const rows = () => all(frame, 'tr[data-method="raw"]').filter(seen).length;
  const had = rows();
  click(box(frame, "methods", "raw"));
  check(`${at}: a method that is not wanted is nowhere`, had > 1 && rows() === 0);
  const times = () => all(frame, '[data-measure="time"]').filter(seen).length;
  const timed = times();
  click(box(frame, "measures", "time"));
  check(`${at}: a measure that is not wanted has no column and no chart`, timed > 1 && times() === 0);
  const two = () => all(frame, 'section[data-scenario="two"]').filter(seen).length;
  const both = two();
  click(box(frame, "scenarios", "two"));
  check(`${at}: a scenario that is not wanted is not shown`, both > 0 && two() === 0);
  click(box(frame, "relative"));
  const cells = texts(frame, 'section[data-scenario="one"] td.figure').filter((it) => it.startsWith("×"));
  check(`${at}: figures relative to the best begin at one`, cells.includes("×1.00") && cells.length > 5);
  const theme = one(frame, "#controls select");
  const ground = () => frame.contentWindow.getComputedStyle(frame.contentDocument.body).backgroundColor;
  theme.value = "light"; theme.dispatchEvent(new Event("change"));
  const light = ground();
  theme.value = "dark"; theme.dispatchEvent(new Event("change"));
  check(`${at}: dark is darker than light`, light === "rgb(255, 255, 255)" && ground() !== light);
}
async function links(frame, at) {
  const table = one(frame, 'section[data-scenario="one"] table.sheet');
  const column = [...table.tHead.rows[0].cells].findIndex((head) => head.dataset.link === "4G");
  const taken = () => Number(table.querySelector('tr[data-method="raw"]').cells[column].dataset.v);
  const input = table.querySelector('input[aria-label="4G: Mbit/s"]'), before = taken();
  check(`${at}: an input shows the link's bandwidth`, input.value === "20");
  input.value = "2"; input.dispatchEvent(new Event("input"));
  check(`${at}: a link of a tenth of the bandwidth takes longer, at most ten times`, taken() > before * 1.5 && taken() < before * 10.001);
}
async function tracing(frame, at) {
  const row = all(frame, 'section[data-scenario="one"] tr[data-method="zstd/3"]').find((it) => it.dataset.again && seen(it));
  click(row.querySelector("th button"));
  const dialog = one(frame, "dialog");
  check(`${at}: a method tells its exact figures and the line that makes them again`,
    dialog.open && /one zstd\/3: update new from old/.test(dialog.innerText) && /\d,\d{3} B/.test(dialog.innerText)
    && /delta-lab run one -m zstd\/3 --into/.test(dialog.innerText));
  dialog.close();
}
async function hostile(frame, at) {
  check(`${at}: a hostile name is a text`, texts(frame, "main th[scope=row]").includes(HOSTILE) && all(frame, "img, main script").length === 0);
  let blob;
  frame.contentWindow.URL.createObjectURL = (it) => { blob = it; return "#"; };
  click(all(frame, "section table:has(tr[data-method]) caption button").find(seen));
  const text = await blob.text();
  check(`${at}: a spreadsheet gets no formula from it`, text.includes(`'${HOSTILE}`) && !/(^|,|")[=+@]/m.test(text));
}
async function page(width) {
  const at = `${width} pixels`;
  const frame = await open(width, "");
  const root = frame.contentDocument.documentElement;
  check(`${at}: the frame is as wide as that`, frame.contentWindow.innerWidth === width);
  check(`${at}: nothing is wider than the page`, root.scrollWidth <= width);
  check(`${at}: the answer is in the first screen`, one(frame, ".answer .pick").getBoundingClientRect().bottom < 844);
  check(`${at}: every chart says what it shows`, all(frame, "figure svg").length > 4 && all(frame, "figure svg").every((it) => it.ariaLabel.length > 50));
  check(`${at}: every table has a caption and its heads a scope`, all(frame, "main table").every((it) => it.caption && !it.tHead.querySelector("tr:first-child th:not([scope])")));
  const printed = await open(width, "", "allow-same-origin");
  check(`${at}: the page works the link sheet out as the program did`,
    texts(printed, ".sheet tbody td").join() === texts(frame, ".sheet tbody td").join() && texts(printed, ".sheet tbody td").length > 20);
  check(`${at}: without a program the page is whole`, texts(printed, "main tbody tr").length === texts(frame, "main tbody tr").length && one(printed, "#controls").hidden);
  await sorting(frame, at);
  await tracing(frame, at);
  await hostile(frame, at);
  await links(frame, at);
  await filters(frame, at);
  const state = frame.contentWindow.location.hash;
  const again = await open(width, state);
  check(`${at}: the fragment brings the same page back`, shown(again) === shown(frame) && state.length > 20 && again.contentDocument.documentElement.dataset.theme === "dark");
  check(`${at}: nothing is wider than the page then`, again.contentDocument.documentElement.scrollWidth <= width);
  const odd = await open(width, "#methods=%E0%A4%A&sort=t1:99:up,t0:x:y&links=:,4G%20bits:-1&scenarios&theme=<b>");
  check(`${at}: a fragment that makes no sense harms nothing`, all(odd, "main section").some(seen) && all(odd, "#controls form").length === 1);
  click(all(again, "#controls button").find((it) => it.textContent === "Reset"));
  const first = await open(width, "");
  check(`${at}: reset gives the first page back`, again.contentWindow.location.hash === "" && shown(again) === shown(first));
}
(async () => {
  try {
    for (const width of [1280, 390]) await page(width);
    said.push("end");
  } catch (error) {
    said.push(`FAILS: ${error.stack}`);
  }
  const result = document.createElement("pre");
  result.id = "said";
  result.textContent = said.join("\n");
  document.body.replaceChildren(result);
})();

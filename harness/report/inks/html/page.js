// The page's program: what is shown, how it is sorted, which links are assumed. Its state is in the address's fragment.
// It reads the page and nothing else; without it the page is whole, in the order in which it was printed.
"use strict";
(() => {
  const all = (selector, within = document) => [...within.querySelectorAll(selector)];
  const make = (tag, props = {}, ...inside) => {
    const element = Object.assign(document.createElement(tag), props);
    element.append(...inside);
    return element;
  };
  const unique = (values) => [...new Set(values)];
  const tables = all("main table");
  const parts = all("main section[data-scenario]");
  const kinds = {
    scenarios: unique(parts.map((part) => part.dataset.scenario)),
    measures: unique(all("main th[data-measure]").map((head) => head.dataset.measure)).filter((it) => it !== "method"),
    methods: unique(all("main section tr[data-method]").map((row) => row.dataset.method)),
  };
  const heads = (table) => [...table.tHead.rows[0].cells];
  const rows = (table) => [...table.tBodies[0].rows];
  const value = (cell) => (cell && cell.dataset.v !== undefined ? Number(cell.dataset.v) : NaN);

  const { digits, time, bandwidth, exact, seconds, pays } = figures;

  // ---- The state: what the fragment says, and what is not the default is said in it.
  const fresh = () => ({ hidden: { scenarios: new Set(), measures: new Set(), methods: new Set() }, relative: false, theme: "", sorts: {}, links: {} });
  let state = fresh();

  const list = (values) => [...values].map(encodeURIComponent).join(",");
  const unlist = (text) => text.split(",").filter(Boolean).map(decodeURIComponent);
  function fragment() {
    const said = [];
    for (const [kind, known] of Object.entries(kinds)) {
      const hidden = state.hidden[kind];
      const shown = known.filter((it) => !hidden.has(it));
      if (shown.length === known.length) continue;
      if (shown.length <= known.length / 2) said.push(`${kind}=${list(shown)}`);
      else said.push(`without-${kind}=${list(known.filter((it) => hidden.has(it)))}`);
    }
    if (state.relative) said.push("figures=relative");
    if (state.theme) said.push(`theme=${state.theme}`);
    const sorts = Object.entries(state.sorts).map(([table, [column, order]]) => `${table}:${column}:${order}`);
    if (sorts.length) said.push(`sort=${sorts.join(",")}`);
    const links = Object.entries(state.links).map(([key, value]) => `${encodeURIComponent(key)}:${value}`);
    if (links.length) said.push(`links=${links.join(",")}`);
    return said.join("&");
  }
  function read(text) {
    const read = fresh();
    for (const pair of text.replace(/^#/, "").split("&")) {
      const at = pair.indexOf("=");
      if (at < 0) continue;
      const key = pair.slice(0, at), words = pair.slice(at + 1);
      try {
        const kind = key.replace(/^without-/, "");
        if (Object.hasOwn(kinds, kind)) {
          const named = new Set(unlist(words));
          const hidden = key === kind ? (it) => !named.has(it) : (it) => named.has(it);
          read.hidden[kind] = new Set(kinds[kind].filter(hidden));
        } else if (key === "figures") read.relative = words === "relative";
        else if (key === "theme" && ["light", "dark"].includes(words)) read.theme = words;
        else if (key === "sort") {
          for (const one of words.split(",")) {
            const [table, column, order] = one.split(":");
            const sorted = tables.find((it) => it.id === table);
            if (sorted && /^\d+$/.test(column) && Number(column) < heads(sorted).length && ["up", "down"].includes(order)) read.sorts[table] = [Number(column), order];
          }
        } else if (key === "links") {
          for (const one of words.split(",")) {
            const [name, number] = one.split(":");
            if (Number(number) >= 0) read.links[decodeURIComponent(name)] = Number(number);
          }
        }
      } catch { /* A fragment that somebody cut or made up says nothing here. */ }
    }
    return read;
  }
  function changed() {
    const said = fragment();
    history.replaceState(null, "", said ? `#${said}` : location.pathname + location.search);
    show();
  }

  // ---- Showing the state.
  function show() {
    document.documentElement.dataset.theme = state.theme;
    for (const part of parts) part.hidden = state.hidden.scenarios.has(part.dataset.scenario);
    for (const figure of all("main figure[data-measure]")) figure.hidden = state.hidden.measures.has(figure.dataset.measure);
    for (const table of tables) {
      for (const row of rows(table)) row.hidden = state.hidden.methods.has(row.dataset.method);
      heads(table).forEach((head, at) => {
        const hide = state.hidden.measures.has(head.dataset.measure);
        for (const row of [...table.tHead.rows, ...table.tBodies[0].rows]) if (row.cells[at]) row.cells[at].hidden = hide;
      });
      if (table.classList.contains("sheet")) workOut(table);
      sort(table);
      compare(table);
    }
    tell();
  }
  // The best of each column, how each figure compares with it, and a bar as long as its share of the largest.
  function compare(table) {
    heads(table).forEach((head, at) => {
      if (!head.dataset.unit) return;
      const cells = rows(table).map((row) => row.cells[at]);
      const shown = rows(table).filter((row) => !row.hidden).map((row) => value(row.cells[at])).filter((it) => it > 0);
      const [best, most] = [Math.min(...shown), Math.max(...shown)];
      const bars = shown.length > 1 && head.dataset.pays === undefined;
      // A figure that many share is no distinction.
      const few = shown.filter((it) => it === best).length <= 3;
      for (const cell of cells) {
        const figure = value(cell);
        if (cell.dataset.text === undefined) cell.dataset.text = cell.textContent;
        cell.classList.toggle("best", bars && few && figure === best);
        const relative = state.relative && bars && figure > 0;
        cell.textContent = relative ? `×${digits(figure / best)}` : cell.dataset.text;
        if (bars && figure > 0) cell.style.setProperty("--w", `${(figure / most * 100).toFixed(1)}%`);
        else cell.removeAttribute("style");
      }
    });
  }
  function sort(table) {
    const [column, order] = state.sorts[table.id] || [-1, "up"];
    heads(table).forEach((head, at) => {
      head.setAttribute("aria-sort", at !== column ? "none" : order === "up" ? "ascending" : "descending");
    });
    const sign = order === "up" ? 1 : -1;
    const figures = heads(table)[column]?.classList.contains("figure");
    const key = (row) => row.cells[column];
    const body = table.tBodies[0];
    const sorted = rows(table).sort((a, b) => {
      if (column < 0) return a.dataset.at - b.dataset.at;
      const [one, other] = [value(key(a)), value(key(b))];
      // What has no figure comes last in both orders.
      if (isNaN(one) || isNaN(other)) {
        if (!isNaN(one) || !isNaN(other)) return isNaN(one) ? 1 : -1;
        if (figures && !key(a).classList.contains("place")) return a.dataset.at - b.dataset.at;
        return sign * key(a).textContent.localeCompare(key(b).textContent, "en", { numeric: true }) || a.dataset.at - b.dataset.at;
      }
      return sign * (one - other) || a.dataset.at - b.dataset.at;
    });
    body.append(...sorted);
  }

  // ---- The link sheet, worked out again (figures.js).
  const parse = (text) => text.split(",").map(Number);
  const linkOf = (head) => {
    const set = (what) => state.links[`${head.dataset.link} ${what}`] ?? Number(head.dataset[what]);
    return { bits: Math.max(set("bits"), 1), trip: set("trip"), parallel: Math.max(set("parallel"), 1) };
  };
  const put = (cell, text, figure) => {
    cell.dataset.text = cell.textContent = text;
    if (Number.isFinite(figure)) cell.dataset.v = figure;
    else delete cell.dataset.v;
  };
  function workOut(table) {
    const links = heads(table).filter((head) => head.dataset.link !== undefined).map(linkOf);
    const fulls = table.dataset.fulls.split(";").filter(Boolean).map(parse);
    const fastest = links.map((link) => Math.min(...fulls.map((full) => seconds(link, full))));
    for (const row of rows(table)) {
      const cost = parse(row.dataset.cost);
      links.forEach((link, at) => {
        const taken = seconds(link, cost), cell = row.cells[at + 1];
        put(cell, time(taken), Math.trunc(taken * 1e9));
        cell.classList.toggle("loses", row.dataset.delta !== undefined && taken > fastest[at]);
      });
      if (row.dataset.delta === undefined) continue;
      const until = pays(links[Number(table.dataset.chosen)], cost, fulls);
      const words = isNaN(until) ? "never" : until === Infinity ? "always" : bandwidth(until);
      put(row.cells[links.length + 1], words, until);
    }
    for (const input of all("thead input", table)) {
      const head = heads(table).find((it) => it.dataset.link === input.dataset.link);
      if (document.activeElement !== input) input.value = linkOf(head)[input.name] / Number(input.dataset.one);
    }
  }
  function inputs(table) {
    table.parentElement.before(make("p", { textContent: "The links can be changed here. Struck through: the quickest full download takes less." }));
    const fields = [["bits", "Mbit/s", 1e6], ["trip", "round trip, ms", 1], ["parallel", "requests in flight", 1]];
    for (const [name, words, one] of fields) {
      const row = make("tr", {}, make("th", { scope: "row", className: "name", textContent: words }));
      for (const head of heads(table).slice(1)) {
        const cell = make("td", { className: "figure" });
        if (head.dataset.link !== undefined) {
          const input = make("input", { type: "number", name, step: "any", min: 0 });
          input.setAttribute("aria-label", `${head.dataset.link}: ${words}`);
          Object.assign(input.dataset, { link: head.dataset.link, one });
          input.addEventListener("input", () => {
            const key = `${head.dataset.link} ${name}`, number = Number(input.value) * one;
            if (input.value === "" || !(number > 0 || (name === "trip" && number === 0)) || number === Number(head.dataset[name])) delete state.links[key];
            else state.links[key] = number;
            changed();
          });
          cell.append(input);
        }
        row.append(cell);
      }
      table.tHead.append(row);
    }
  }

  // ---- Where a row comes from.
  const dialog = make("dialog");
  dialog.setAttribute("aria-labelledby", "traced");
  function trace(row) {
    const table = row.closest("table"), scenario = row.closest("[data-scenario]")?.dataset.scenario;
    const title = make("h2", { id: "traced", textContent: [scenario, row.dataset.method].filter(Boolean).join(": ") });
    const lines = heads(table).map((head, at) => [head, row.cells[at]]).filter(([head, cell]) => head.dataset.unit && cell.dataset.text);
    const body = lines.map(([head, cell]) => make("tr", {},
      make("th", { scope: "row", textContent: head.innerText.replace(/ [↕↑↓]$/, "") }),
      make("td", { className: "figure", textContent: isNaN(value(cell)) ? cell.dataset.text : exact(value(cell), head.dataset.unit) }),
      make("td", { textContent: cell.title })));
    const names = make("tr", {}, ...["figure", "exactly", "from these rows of rows.csv"].map((it) => make("th", { scope: "col", textContent: it })));
    const inside = [title, make("table", {}, make("thead", {}, names), make("tbody", {}, ...body))];
    const again = row.dataset.again || all(`[data-again]`).find((it) => it.dataset.method === row.dataset.method && it.closest("[data-scenario]")?.dataset.scenario === scenario)?.dataset.again;
    if (again) inside.push(make("p", { textContent: "To make these rows again:" }), make("pre", { textContent: again }));
    const close = make("button", { type: "button", textContent: "Close" });
    close.addEventListener("click", () => dialog.close());
    dialog.replaceChildren(...inside, close);
    dialog.showModal();
  }

  // ---- A table as a file for a spreadsheet. A text that a spreadsheet would take for a formula is marked as text.
  const quoted = (text) => {
    const safe = /^[=+\-@\t\r]/.test(text) && !/^-?[\d.]+$/.test(text) && text !== "-" ? `'${text}` : text;
    return /[",\n\r']/.test(safe) ? `"${safe.replaceAll('"', '""')}"` : safe;
  };
  function csv(table) {
    const shown = heads(table).map((head, at) => [head, at]).filter(([head]) => !head.hidden);
    const unit = (head) => (head.dataset.unit && head.dataset.unit !== "count" ? ` (${head.dataset.unit})` : "");
    const lines = [shown.map(([head]) => quoted((head.dataset.name || head.textContent) + unit(head)))];
    for (const row of rows(table).filter((row) => !row.hidden)) {
      lines.push(shown.map(([, at]) => quoted(row.cells[at].dataset.v ?? row.cells[at].dataset.text ?? row.cells[at].textContent)));
    }
    return lines.map((line) => line.join(",") + "\r\n").join("");
  }
  function save(table) {
    const url = URL.createObjectURL(new Blob([csv(table)], { type: "text/csv" }));
    make("a", { href: url, download: `${table.id}.csv` }).click();
    setTimeout(() => URL.revokeObjectURL(url), 1000);
  }

  // ---- Controls.
  const status = make("output");
  status.setAttribute("aria-live", "polite");
  const boxes = [];
  function menu(kind, word) {
    const summary = make("summary"), items = make("div", { className: "menu" });
    const setAll = (hide) => { state.hidden[kind] = new Set(hide ? kinds[kind] : []); changed(); };
    const tools = make("p");
    for (const [text, hide] of [["all", false], ["none", true]]) {
      const button = make("button", { type: "button", textContent: text });
      button.setAttribute("aria-label", `${text} ${word}`);
      button.addEventListener("click", () => setAll(hide));
      tools.append(button);
    }
    if (kinds[kind].length > 12) {
      const search = make("input", { type: "search", placeholder: "find" });
      search.setAttribute("aria-label", `find ${word}`);
      search.addEventListener("input", () => {
        for (const label of all("label", items)) label.hidden = !label.textContent.toLowerCase().includes(search.value.toLowerCase());
      });
      tools.append(search);
    }
    items.append(tools);
    for (const name of kinds[kind]) {
      const box = make("input", { type: "checkbox", name: kind, value: name });
      box.addEventListener("change", () => { box.checked ? state.hidden[kind].delete(name) : state.hidden[kind].add(name); changed(); });
      boxes.push([kind, name, box, summary, word]);
      items.append(make("label", {}, box, ` ${name}`));
    }
    return make("details", {}, summary, items);
  }
  function tell() {
    for (const [kind, name, box, summary, word] of boxes) {
      box.checked = !state.hidden[kind].has(name);
      const [count, of] = [kinds[kind].length - state.hidden[kind].size, kinds[kind].length];
      summary.textContent = `${word}: ${count === of ? "all" : `${count} of ${of}`}`;
    }
    relative.checked = state.relative;
    theme.value = state.theme;
    status.textContent = state.hidden.methods.size ? "Charts and summary show all methods." : "";
  }
  const relative = make("input", { type: "checkbox", name: "relative" });
  relative.addEventListener("change", () => { state.relative = relative.checked; changed(); });
  const theme = make("select", { name: "theme" }, ...[["", "as the system"], ["light", "light"], ["dark", "dark"]].map(([value, textContent]) => make("option", { value, textContent })));
  theme.addEventListener("change", () => { state.theme = theme.value; changed(); });
  const reset = make("button", { type: "button", textContent: "Reset" });
  reset.addEventListener("click", () => { state = fresh(); changed(); });

  function start() {
    const form = make("form", { onsubmit: () => false });
    form.setAttribute("aria-label", "What is shown");
    for (const [kind, word] of [["scenarios", "scenarios"], ["methods", "methods"], ["measures", "measures"]]) {
      if (kinds[kind].length > 1) form.append(menu(kind, word));
    }
    form.append(make("label", {}, relative, " relative to the best"), status, make("label", { className: "end" }, "Colours ", theme), reset);
    const controls = document.getElementById("controls");
    controls.append(form);
    controls.hidden = false;
    document.addEventListener("click", (event) => {
      for (const open of all("#controls details[open]")) if (!open.contains(event.target)) open.open = false;
    });
    document.addEventListener("keydown", (event) => {
      if (event.key === "Escape") for (const open of all("#controls details[open]")) { open.open = false; open.firstChild.focus(); }
    });
    for (const table of tables) {
      rows(table).forEach((row, at) => { row.dataset.at = at; });
      heads(table).forEach((head, at) => {
        const button = make("button", { type: "button" }, ...head.childNodes);
        head.dataset.name = button.textContent;
        button.addEventListener("click", () => {
          const [column, order] = state.sorts[table.id] || [];
          if (column !== at) state.sorts[table.id] = [at, "up"];
          else if (order === "up") state.sorts[table.id] = [at, "down"];
          else delete state.sorts[table.id];
          changed();
        });
        head.append(button);
      });
      if (table.classList.contains("sheet")) inputs(table);
      for (const row of rows(table)) {
        const name = row.querySelector("th[scope=row]");
        if (!row.dataset.method || !name || !row.closest("[data-scenario]")) continue;
        const button = make("button", { type: "button", title: "exact figures, and where they come from" }, ...name.childNodes);
        button.addEventListener("click", () => trace(row));
        name.append(button);
      }
      const file = make("button", { type: "button", textContent: "CSV" });
      file.setAttribute("aria-label", `save as CSV: ${table.caption.innerText.trim()}`);
      file.addEventListener("click", () => save(table));
      table.caption.append(" ", file);
    }
    document.body.append(dialog);
    state = read(location.hash);
    addEventListener("hashchange", () => { state = read(location.hash); show(); });
    show();
  }
  start();
})();

// Figures in words and times over links: the same arithmetic and the same words as the program's own
// (report/units.rs, report/sheet.rs, stats/links.rs). A test in a browser holds the two to each other.
"use strict";
const figures = (() => {
  const digits = (value) => value.toFixed(value >= 99.95 ? 0 : value >= 9.995 ? 1 : 2);
  const inUnits = (value, units) => {
    const [one, unit] = units.find(([one]) => value / one < 999.5) || units[units.length - 1];
    return `${digits(value / one)} ${unit}`;
  };
  const TIMES = [[1e3, "µs"], [1e6, "ms"], [1e9, "s"]];
  // From 10 minutes on in minutes, from 10 hours on in hours (report/sheet.rs).
  const time = (seconds) => {
    if (seconds >= 36000) return `${digits(seconds / 3600)} h`;
    if (seconds >= 600) return `${digits(seconds / 60)} min`;
    const ns = Math.trunc(seconds * 1e9);
    return ns < 1000 ? `${ns} ns` : inUnits(ns, TIMES);
  };
  const bandwidth = (bits) => {
    const [one, unit] = [[1e9, "Gbit/s"], [1e6, "Mbit/s"], [1e3, "kbit/s"]].find(([one]) => bits >= one) || [1, "bit/s"];
    const value = bits / one;
    return `${Number(value.toFixed(value >= 100 ? 0 : value >= 10 ? 1 : 2))} ${unit}`;
  };
  const exact = (value, unit) => `${value.toLocaleString("en-US", { maximumFractionDigits: 0 })}${unit && unit !== "count" ? ` ${unit}` : ""}`;

  // A cost is bytes on the wire, requests, nanoseconds to apply; a link has bits (a second), trip (ms) and parallel.
  const fixed = (link, [, requests, apply]) => (requests * link.trip) / 1e3 / link.parallel + apply / 1e9;
  const bits = ([bytes]) => bytes * 8;
  const seconds = (link, cost) => fixed(link, cost) + bits(cost) / link.bits;
  function pays(link, delta, fulls) {
    let longest = 0;
    for (const full of fulls) {
      const saved = bits(full) - bits(delta);
      if (saved <= 0) return NaN;
      longest = Math.max(longest, (fixed(link, delta) - fixed(link, full)) / saved);
    }
    return longest === 0 ? Infinity : 1 / longest;
  }
  return { digits, time, bandwidth, exact, seconds, pays };
})();

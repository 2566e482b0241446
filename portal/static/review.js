// Keys of the month's board: J next, K back, P pass, R return, space shows the content. The buttons do the work, so
// that a key does what a press does, with HTMX and without. Nothing happens while somebody types.
(function () {
  "use strict";
  var d = document, at = "";
  function rows() { return [].slice.call(d.querySelectorAll("table.board tbody[id]")); }
  function mark(row) {
    rows().forEach(function (r) { r.classList.toggle("at", r === row); });
    if (!row) return;
    at = row.id;
    row.scrollIntoView({ block: "nearest" });
    var name = row.querySelector(".name a");
    if (name) name.focus({ preventScroll: true });
  }
  function here() { return at && d.getElementById(at); }
  function step(by) {
    var all = rows(), i = all.indexOf(here());
    mark(all[i < 0 ? 0 : Math.max(0, Math.min(all.length - 1, i + by))]);
  }
  function press(end) {
    var row = here(), b = row && row.querySelector('[action*="/' + end + '"] button, a[href*="/' + end + '"]');
    if (b) b.click();
  }
  var keys = {
    j: function () { step(1); }, k: function () { step(-1); },
    p: function () { press("approve"); }, r: function () { press("return"); },
    " ": function () { var row = here(), more = row && row.querySelector("details"); if (more) more.open = !more.open; }
  };
  d.addEventListener("keydown", function (e) {
    if (e.ctrlKey || e.metaKey || e.altKey || e.target.closest("input, select, textarea, button, summary, dialog")) return;
    var act = keys[e.key.length === 1 ? e.key.toLowerCase() : e.key];
    if (!act || !d.querySelector("table.board") || (e.key === " " && !here())) return;
    e.preventDefault();
    act();
  });
  // A row that was drawn anew is still where one is; once it is decided the next one is.
  d.addEventListener("htmx:afterSettle", function () {
    var row = here();
    if (row && !row.querySelector('[action*="/approve"]') && !row.querySelector("textarea")) step(1);
  });
})();

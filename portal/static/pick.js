// A select marked data-find with many options can be typed into. The select stays, hidden: it is what the form sends and
// what is asked for a change, so that nothing else of a page knows. A combobox with a listbox, as WAI-ARIA has it.
(function () {
  "use strict";
  var d = document, MANY = 12, made = 0, last = "";
  function el(tag, attrs, text) {
    var e = d.createElement(tag);
    Object.keys(attrs).forEach(function (k) { e.setAttribute(k, attrs[k]); });
    if (text) e.textContent = text;
    return e;
  }
  function said(o) { return o ? o.text.trim() : ""; }
  function heading(o) { return o.parentNode.label || ""; }
  function fold(text) { return text.toLowerCase().replace(/\u3000/g, " ").trim(); }

  function build(s) {
    var id = s.id || "pick-" + ++made, shown = [], at = -1, typed = false;
    var box = el("span", { "class": "pick-box" }), status = el("span", { "class": "vh", role: "status" });
    var list = el("div", { id: id + "-list", role: "listbox", "aria-label": "可以选的", "class": "pick-list", hidden: "" });
    var input = el("input", {
      id: id, type: "text", role: "combobox", autocomplete: "off", spellcheck: "false", "aria-autocomplete": "list",
      "aria-expanded": "false", "aria-controls": id + "-list", "class": "pick-in"
    });
    ["aria-label", "aria-describedby", "aria-invalid"].forEach(function (name) {
      if (s.hasAttribute(name)) input.setAttribute(name, s.getAttribute(name));
    });

    function show() { input.value = said(s.options[s.selectedIndex]); typed = false; }
    function open() { return !list.hidden; }
    function close() {
      list.hidden = true;
      input.setAttribute("aria-expanded", "false");
      input.removeAttribute("aria-activedescendant");
    }
    function mark(i) {
      var all = list.querySelectorAll('[role="option"]');
      if (all[at]) all[at].setAttribute("aria-selected", "false");
      at = i;
      if (!all[at]) return;
      all[at].setAttribute("aria-selected", "true");
      input.setAttribute("aria-activedescendant", all[at].id);
      all[at].scrollIntoView({ block: "nearest" });
    }
    function draw() {
      var words = typed ? fold(input.value).split(/\s+/) : [], head = "";
      list.textContent = "";
      shown = [].filter.call(s.options, function (o) {
        var whole = fold(o.text + " " + heading(o));
        return words.every(function (w) { return whole.indexOf(w) >= 0; });
      });
      shown.forEach(function (o, i) {
        if (heading(o) !== head) {
          head = heading(o);
          if (head) list.appendChild(el("div", { "class": "pick-head", "aria-hidden": "true" }, head));
        }
        var line = el("div", { id: id + "-" + i, role: "option", "class": "pick-line", "aria-selected": "false" }, o.text);
        line.addEventListener("click", function (e) { e.preventDefault(); choose(o); });
        list.appendChild(line);
      });
      if (!shown.length) list.appendChild(el("div", { "class": "pick-none", role: "option", "aria-disabled": "true" }, "没有找到，换个字试试"));
      status.textContent = typed ? shown.length + " 个" : "";
      list.hidden = false;
      input.setAttribute("aria-expanded", "true");
      at = -1;
      mark(typed ? 0 : Math.max(0, shown.indexOf(s.options[s.selectedIndex])));
    }
    function choose(o) {
      var changed = !o.selected;
      o.selected = true;
      show(); close();
      last = id;
      if (changed) s.dispatchEvent(new Event("change", { bubbles: true }));
    }
    function leave() {
      var blank = s.options[0].value === "" ? s.options[0] : null;
      if (typed && !input.value.trim() && blank) return choose(blank);
      if (typed && shown.length === 1) return choose(shown[0]);
      if (typed) d.getElementById("toast").textContent = "没有选定，还是：" + said(s.options[s.selectedIndex]);
      show(); close();
    }

    input.addEventListener("input", function () { typed = true; draw(); });
    input.addEventListener("change", function (e) { e.stopPropagation(); }); // the form hears the select alone
    input.addEventListener("focus", function () { input.select(); });
    input.addEventListener("click", function () { if (!open()) draw(); });
    input.addEventListener("blur", leave);
    list.addEventListener("mousedown", function (e) { e.preventDefault(); }); // the field keeps the focus
    list.addEventListener("click", function (e) { e.preventDefault(); });
    input.addEventListener("keydown", function (e) {
      var by = { ArrowDown: 1, ArrowUp: -1, PageDown: 8, PageUp: -8 }[e.key];
      if (by) {
        e.preventDefault();
        if (!open()) return draw();
        return mark(Math.max(0, Math.min(shown.length - 1, at + by)));
      }
      if (e.key === "Enter" && open()) { e.preventDefault(); if (shown[at]) choose(shown[at]); }
      if (e.key === "Escape" && open()) { e.preventDefault(); show(); close(); }
    });

    s.removeAttribute("id");
    s.removeAttribute("data-find");
    s.hidden = true;
    box.appendChild(input); box.appendChild(list); box.appendChild(status);
    s.parentNode.insertBefore(box, s);
    show();
    addEventListener("pageshow", show); // a browser that comes back has put back what the select said
    if (last === id && d.activeElement === d.body) input.focus();
  }
  function all() {
    [].forEach.call(d.querySelectorAll("select[data-find]"), function (s) { if (s.options.length > MANY) build(s); });
  }
  all();
  d.addEventListener("htmx:afterSettle", all);
})();

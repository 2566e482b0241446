// Small helps on top of pages that work without any script. No inline code, no eval (CSP). Plain ES5 for old phones.
(function () {
  "use strict";
  var d = document;
  d.documentElement.classList.add("js");
  function each(where, css, act) { [].forEach.call(where.querySelectorAll(css), act); }
  function toast(text) { var e = d.getElementById("toast"); if (e) e.textContent = text; }
  function on(name, act, capture) { d.addEventListener(name, act, capture); }

  // One press, one request. The mark goes when the page comes back (back button), after 8 s (downloads), or when HTMX is done.
  function free(f) { f.removeAttribute("data-sent"); each(f, ".busy", function (b) { b.classList.remove("busy"); }); }
  on("submit", function (e) {
    var f = e.target, b = e.submitter || f.querySelector("button");
    if (f.getAttribute("method") !== "post") return;
    if ("sent" in f.dataset) { e.preventDefault(); e.stopImmediatePropagation(); return; }
    f.dataset.sent = "";
    if (b) b.classList.add("busy");
    setTimeout(free, 8000, f);
  }, true);
  addEventListener("pageshow", function () { each(d, "[data-sent]", free); });

  // A bar at the thumb that large type makes higher than two fifths of the screen stands in the page instead.
  function settle(e) {
    each(d, ".thumb", function (t) {
      var tall = t.offsetHeight > innerHeight * 0.4;
      t.classList.toggle("tall", tall);
      if (tall && e && e.type === "htmx:afterSettle") t.scrollIntoView({ block: "nearest" });
    });
  }
  settle();
  addEventListener("resize", settle);
  on("htmx:afterSettle", settle);
  if (window.ResizeObserver) each(d, ".thumb", function (t) { new ResizeObserver(settle).observe(t); });

  // data-<verb>="<id>": what a press does to the element with that id.
  var verbs = {
    dialog: function (box, t, e) { if (box.showModal) { e.preventDefault(); box.showModal(); } },
    fill: function (box, t) { box.value = (box.value.trim() && box.value.trim() + "；") + t.textContent; box.focus(); },
    copy: function (box, t) {
      function done() { toast("已复制，可以去粘贴了。"); t.classList.add("done"); }
      function old() {
        var r = d.createRange(), s = getSelection();
        r.selectNodeContents(box); s.removeAllRanges(); s.addRange(r);
        if (d.execCommand("copy")) done(); else toast("请长按选中的文字复制。");
      }
      if (navigator.clipboard) navigator.clipboard.writeText(box.textContent).then(done, old); else old();
    },
    back: function (b, t, e) { // the list as it was
      if (d.referrer.indexOf(t.href) === 0) { e.preventDefault(); history.back(); }
    },
    print: function () { print(); }
  };
  on("click", function (e) {
    for (var t = e.target; t && t.dataset; t = t.parentNode) {
      for (var v in verbs) if (v in t.dataset) return verbs[v](d.getElementById(t.dataset[v]) || t, t, e);
    }
  });
  on("change", function (e) {
    var n = e.target.dataset.all;
    if (n) each(d, 'input[name="' + n + '"]:enabled', function (c) { c.checked = e.target.checked; });
  });

  on("htmx:beforeRequest", function () { toast(""); });
  on("htmx:afterRequest", function (e) { if (e.target.matches("form")) free(e.target); });
  on("htmx:sendError", function () { toast("网络不通，刚才的没有送出，请稍后再按一次。"); });
  on("htmx:responseError", function (e) {
    var fresh = e.detail.xhr.getResponseHeader("X-New-Token");
    if (fresh) { // the page is older than the session: mended in place, nothing typed is lost
      d.body.setAttribute("hx-headers", JSON.stringify({ "X-CSRFToken": fresh }));
      each(d, 'input[name="csrf_token"]', function (i) { i.value = fresh; });
      return toast("页面开得太久，已经更新好，请再按一次。");
    }
    var why = { 401: "登录已过期。请在新窗口登录，再回来按一次，填的内容还在。", 403: "您的账户不能做这一步。", 429: "按得太快了，请等一分钟再试。" };
    toast(why[e.detail.xhr.status] || "没有办成，请刷新页面再试，或打电话给中心。");
  });
})();

// Small helps on top of pages that work without any script. No inline code, no eval (CSP).
(function () {
  "use strict";
  var d = document, root = d.documentElement, toast = function (t) { var e = d.getElementById("toast"); if (e) e.textContent = t; };
  root.classList.add("js");

  // One press, one request. The mark goes when the page comes back (back button) or after 8 s (downloads stay on the page).
  function free(f) { f.removeAttribute("data-sent"); [].forEach.call(f.querySelectorAll(".busy"), function (b) { b.classList.remove("busy"); }); }
  d.addEventListener("submit", function (e) {
    var f = e.target, b = e.submitter || f.querySelector("button:not([type=button])");
    if (f.method !== "post") return;
    if (f.hasAttribute("data-sent")) { e.preventDefault(); e.stopImmediatePropagation(); return; }
    f.setAttribute("data-sent", ""); if (b) b.classList.add("busy");
    setTimeout(function () { free(f); }, 8000);
  }, true);
  addEventListener("pageshow", function () { [].forEach.call(d.querySelectorAll("[data-sent]"), free); toast(""); });

  d.addEventListener("click", function (e) {
    var t = e.target.closest && e.target.closest("[data-dialog],[data-copy],[data-fill],[data-near],[data-print]");
    if (!t) return;
    var box = d.getElementById(t.dataset.dialog || t.dataset.copy || t.dataset.fill || t.dataset.near);
    if ("dialog" in t.dataset) { if (box && box.showModal) { e.preventDefault(); box.showModal(); } }
    else if ("print" in t.dataset) print();
    else if (!box) return;
    else if ("copy" in t.dataset) copy(box, t.querySelector("span") || t);
    else if ("near" in t.dataset) near(box);
    else { box.value = box.value.trim() ? box.value.trim() + "；" + t.textContent : t.textContent; box.focus(); }
  });

  function copy(box, label) {
    var text = "value" in box ? box.value : box.textContent, was = label.textContent;
    function done() { label.textContent = "已复制"; toast("已复制，可以去粘贴了。"); setTimeout(function () { label.textContent = was; toast(""); }, 2500); }
    function old() { var r = d.createRange(), s = getSelection(); r.selectNodeContents(box); s.removeAllRanges(); s.addRange(r); d.execCommand("copy") ? done() : toast("请长按选中文字复制。"); }
    if (navigator.clipboard) navigator.clipboard.writeText(text).then(done, old); else old();
  }

  // Nearest first: sorted in the page, so the place never leaves the phone.
  function near(list) {
    if (!navigator.geolocation) { toast("这台手机不能定位，请按名字找。"); return; }
    navigator.geolocation.getCurrentPosition(function (p) {
      var R = Math.PI / 180, a = p.coords.latitude * R;
      [].map.call(list.querySelectorAll("[data-lat]"), function (li) {
        var b = li.dataset.lat * R, x = (li.dataset.lng * R - p.coords.longitude * R) * Math.cos((a + b) / 2), y = b - a, m = 6371000 * Math.sqrt(x * x + y * y), s = li.querySelector(".far");
        if (s) s.textContent = m < 1000 ? Math.round(m / 10) * 10 + " 米" : (m / 1000).toFixed(1) + " 公里";
        return [m, li];
      }).sort(function (a, b) { return a[0] - b[0]; }).forEach(function (x) { list.appendChild(x[1]); });
      toast("已按距离从近到远排列。");
    }, function () { toast("没有拿到位置，请按名字找。"); }, { timeout: 8000, maximumAge: 300000 });
  }

  d.addEventListener("change", function (e) {
    var n = e.target.dataset.all;
    if (n) [].forEach.call(d.querySelectorAll('input[type=checkbox][name="' + n + '"]'), function (c) { if (!c.disabled) c.checked = e.target.checked; });
  });

  d.addEventListener("htmx:afterRequest", function (e) { var f = e.target.closest && e.target.closest("form"); if (f) free(f); });
  d.addEventListener("htmx:sendError", function () { toast("网络不通，刚才的没有送出。请稍后再按一次。"); });
  d.addEventListener("htmx:responseError", function (e) {
    var s = e.detail.xhr.status;
    toast(s === 401 ? "登录已过期，请重新登录。" : s === 429 ? "按得太快了，请等一分钟再试。" : s === 403 ? "您的账户不能做这一步。" : "没有办成，请刷新页面再试，或打电话给中心。");
  });
  d.addEventListener("htmx:beforeRequest", function () { toast(""); });
})();

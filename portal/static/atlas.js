// The nearest service centres. The place never leaves the phone: everything is sorted in the page.
(function () {
  var d = document, press = d.querySelector("[data-near]"), box = d.getElementById("near");
  if (!press || !box) return;

  // Phones tell WGS-84, Chinese maps and so our centres GCJ-02: some 500 m apart. The published approximation.
  function shifted(lat, lng) {
    var x = lng - 105, y = lat - 35, P = Math.PI, a = 6378245, e = 0.00669342162296594323, s = Math.sin, q = Math.sqrt(Math.abs(x));
    var w = (20 * s(6 * x * P) + 20 * s(2 * x * P)) * 2 / 3;
    var v = -100 + 2 * x + 3 * y + 0.2 * y * y + 0.1 * x * y + 0.2 * q + w;
    v += (20 * s(y * P) + 40 * s(y / 3 * P)) * 2 / 3 + (160 * s(y / 12 * P) + 320 * s(y * P / 30)) * 2 / 3;
    var u = 300 + x + 2 * y + 0.1 * x * x + 0.1 * x * y + 0.1 * q + w;
    u += (20 * s(x * P) + 40 * s(x / 3 * P)) * 2 / 3 + (150 * s(x / 12 * P) + 300 * s(x / 30 * P)) * 2 / 3;
    var r = lat / 180 * P, m = 1 - e * s(r) * s(r), k = Math.sqrt(m);
    return [lat + v * 180 / (a * (1 - e) / (m * k) * P), lng + u * 180 / (a / k * Math.cos(r) * P)];
  }

  function show(place) {
    var at = shifted(place.coords.latitude, place.coords.longitude), R = Math.PI / 180, rows = [], seen = {};
    [].forEach.call(d.querySelectorAll("#results [data-lat]"), function (li) {
      var y = (li.dataset.lat - at[0]) * R, x = (li.dataset.lng - at[1]) * R * Math.cos(at[0] * R), m = 6371e3 * Math.sqrt(x * x + y * y);
      li.querySelector(".far").textContent = m < 1e3 ? Math.round(m) + " 米" : (m / 1e3).toFixed(1) + " 公里";
      rows.push([m, li]);
    });
    rows.sort(function (a, b) { return a[0] - b[0]; });
    var list = box.querySelector("ul"), title = d.getElementById("near-title");
    list.textContent = "";
    rows.slice(0, 3).forEach(function (row) { list.appendChild(row[1].cloneNode(true)); });
    title.textContent = "离您最近";
    box.hidden = false;
    title.focus();
  }

  press.addEventListener("click", function () {
    var words = press.lastChild;
    press.disabled = true;
    words.textContent = "正在找您的位置…";
    function over(text) { press.disabled = false; words.textContent = text; }
    if (!navigator.geolocation) return over("这个手机不给位置，请按名字找");
    navigator.geolocation.getCurrentPosition(function (p) { show(p); over("再找一次"); }, function () {
      over("没有拿到位置，请按名字找，或再试一次");
    }, { timeout: 8000 });
  });
}());

"""Security headers. Our own lines, because our policy is one constant: no inline script or style, nothing foreign."""

from __future__ import annotations

from flask import Flask, Response, request

CSP = "; ".join((
    "default-src 'none'", "script-src 'self'", "style-src 'self'", "img-src 'self' data: blob:", "font-src 'self'",
    "connect-src 'self'", "media-src 'self' blob:", "manifest-src 'self'", "form-action 'self'",
    "frame-ancestors 'self'", "base-uri 'none'",
))  # fmt: skip
FIXED = {
    "Content-Security-Policy": CSP,
    "X-Content-Type-Options": "nosniff",
    # Flask-WTF refuses an https POST without a Referer, so never 'no-referrer'.
    "Referrer-Policy": "strict-origin-when-cross-origin",
    "Permissions-Policy": "camera=(self), microphone=(self), geolocation=(self), payment=()",
    "Cross-Origin-Opener-Policy": "same-origin",
}


def _add(response: Response) -> Response:
    headers = response.headers
    for name, value in FIXED.items():
        headers[name] = value
    if "Cache-Control" not in headers and request.endpoint != "static":
        # Pages carry tokens and names; a shared cache must not keep them, the back button may.
        headers["Cache-Control"] = "private, no-cache"
    return response


def _add_https(response: Response) -> Response:
    response.headers["Strict-Transport-Security"] = "max-age=31536000; includeSubDomains"
    return response


def init_app(app: Flask) -> None:
    app.after_request(_add)
    if app.config["HTTPS"]:
        app.after_request(_add_https)

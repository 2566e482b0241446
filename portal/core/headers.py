"""Security headers. Our own lines, because our policy is one constant: no inline script or style, nothing foreign."""

from typing import Any

from flask import Flask, Response, request

CSP = "; ".join((
    "default-src 'none'", "script-src 'self'", "style-src 'self'", "img-src 'self' data: blob:", "font-src 'self'",
    "connect-src 'self'", "media-src 'self' blob:", "manifest-src 'self'", "form-action 'self'",
    "frame-ancestors 'none'", "base-uri 'none'", "object-src 'none'",
))  # fmt: skip
FIXED = {
    "Content-Security-Policy": CSP,
    "X-Content-Type-Options": "nosniff",
    # Flask-WTF refuses an https POST without a Referer, so never 'no-referrer'.
    "Referrer-Policy": "strict-origin-when-cross-origin",
    "Permissions-Policy": "camera=(self), microphone=(self), geolocation=(self), payment=()",
    "Cross-Origin-Opener-Policy": "same-origin",
}


def _cache_control(response: Response) -> Response:
    if request.endpoint != "static" and "Cache-Control" not in response.headers:
        # Pages carry tokens and names; a shared cache must not keep them, the back button may.
        response.headers["Cache-Control"] = "private, no-cache"
    return response


def init_app(app: Flask) -> None:
    """Add the headers outside Flask: one list is joined to each answer, whatever made it, at no cost."""
    fixed = list(FIXED.items())
    if app.config["HTTPS"]:
        fixed.append(("Strict-Transport-Security", "max-age=31536000; includeSubDomains"))
    inner = app.wsgi_app

    def with_headers(environ: Any, start_response: Any) -> Any:
        def start(status: str, headers: list[tuple[str, str]], *rest: Any) -> Any:
            return start_response(status, [*headers, *fixed], *rest)

        return inner(environ, start)

    app.wsgi_app = with_headers  # type: ignore[method-assign]
    app.after_request(_cache_control)

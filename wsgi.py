"""WSGI entry: `granian --interface wsgi wsgi:app`, `flask --app wsgi …`."""

from portal import create_app
from portal.core import compressed

app = create_app()
compressed.init_app(app)

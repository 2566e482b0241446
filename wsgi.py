"""What servers take: `granian --interface rsgi wsgi:door`, `flask --app wsgi`; any other WSGI server `wsgi:app`."""

from portal import create_app
from portal import door as doors

app = create_app()
door = doors.of(app)

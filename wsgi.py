"""What servers take: `granian --interface rsgi wsgi:door`, `flask --app wsgi`; any other WSGI server `wsgi:app`."""

import gc

from portal import create_app
from portal import door as doors

app = create_app()
door = doors.of(app)
gc.freeze()  # the app itself never becomes garbage, and a request's few cycles may wait for those of a hundred others
gc.set_threshold(50_000, 20, 20)

# Two commands matter: `make run` and `make test`. Both install what is missing (tools/setup.sh).
# PORT=8001 make run · DEMO=0 make run · DATABASE_URL=postgresql://… REDIS_URL=redis://… make run
# make test T=tests/centres · make test T="tests/signup -k race -x"

PY := .venv/bin/python
# Two tests at once: the machines this is made for have two cores.
JOBS ?= 2
T ?=
# Folder by folder: what a folder's tests share (a demo, a server with its browser) is built by one of the two.
SHARED := -n $(JOBS) --dist worksteal
# Some machines forbid it, and then each worker and each server that a test starts would compile all modules anew.
export PYTHONDONTWRITEBYTECODE :=

.DEFAULT_GOAL := help
.PHONY: help run test test-sqlite test-postgresql lint fmt bench wide load alarm fuzz attack drill faults bundle bundle-trial pins setup setup-lint setup-test clean first-morning clicks figures storm help-walks

help:  ## This list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-16s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

run: setup  ## Start the portal with its demo: web, worker, scheduler, Redis (Ctrl-C ends all)
	@$(PY) -m tools.run

test:  ## The whole suite, on SQLite and then on PostgreSQL; both run, and it fails when one does
	@failed=""; for kind in sqlite postgresql; do $(MAKE) --no-print-directory test-$$kind || failed="$$failed $$kind"; done; \
	[ -z "$$failed" ] || { echo "✗ failed:$$failed"; exit 1; }

test-sqlite: setup-test  ## The suite on SQLite only
	PORTAL_TEST_DATABASE=sqlite $(PY) -m pytest $(SHARED) $(T)

test-postgresql: setup-test  ## The suite on a PostgreSQL of its own
	PORTAL_TEST_DATABASE=postgresql $(PY) -m pytest $(SHARED) -m "not once and not load and not faults" $(T)

lint: setup-lint  ## ruff, mypy, djlint, import-linter, oldest Python; runs all and fails when one does
	@failed=""; \
	step() { printf '%s\n' "· $$1"; shift; "$$@" || failed=yes; }; \
	step "ruff check" $(PY) -m ruff check .; \
	step "ruff format" $(PY) -m ruff format --check .; \
	step "mypy" $(PY) -m mypy; \
	step "djlint" $(PY) -m djlint --lint --quiet portal/templates; \
	step "oldest Python" $(PY) -m tools.oldest; \
	step "import layers" $(PY) -c "from importlinter.cli import lint_imports_command; lint_imports_command()" --no-cache; \
	[ -z "$$failed" ] || { echo "✗ lint found something (above)"; exit 1; }

fmt: setup-lint  ## Put the Python code in order
	$(PY) -m ruff check --fix .
	$(PY) -m ruff format .

bench: setup-test  ## Requests/s against bare Flask, PDF, import, sign-ups: one table of ratios and JSON
	$(PY) -m bench

wide: setup-test  ## Every staff page of a district of 418 centres: bytes and milliseconds; fails over 300 KB or 300 ms
	$(PY) -m bench.wide

load: setup-test  ## The rushes for seats and rooms and the worst morning, bounded in time, on this machine only
	PORTAL_TEST_DATABASE=sqlite $(PY) -m pytest -m load $(T)
	PORTAL_TEST_DATABASE=postgresql $(PY) -m pytest -m "load and not once" $(T)
	$(PY) -m tests.load.seat_rush
	$(PY) -m tests.load.room_rush
	$(PY) -m tests.load.morning
	$(PY) -m tests.load.morning --people 4000 --scale 0.2

alarm: setup-test  ## 200 urgent requests during the rush, 500 takes, 200 idle pages, a tab hidden 10 minutes; ARGS="--hidden 1"
	$(PY) -m tests.load.alarm $(ARGS)
	$(PY) -m tests.load.alarm --database postgresql --hidden 0 $(ARGS)

fuzz: setup-test  ## 20,000 made Excel plans read against their own truth, some five minutes; PLANS=500 in the suite
	PLANS=$${PLANS:-20000} PORTAL_TEST_DATABASE=sqlite $(PY) -m pytest -n $(JOBS) tests/catalogue/excel/test_made_plans.py

figures: setup-test  ## Every figure of the staff's pages in 200 made towns: one name, one number; TOWNS=20 for fewer
	PORTAL_TOWNS=$${TOWNS:-200} PORTAL_TEST_DATABASE=sqlite $(PY) -m pytest -n $(JOBS) tests/front/test_figures.py

help-walks: setup-test  ## 10,000 random walks of help requests with random staffing (hours; WALKS=200 for fewer)
	$(PY) -m tests.help_requests.walks --walks $${WALKS:-10000}

first-morning: setup-test  ## A district set up from an empty database in Chromium: clicks counted, pictures in tests/out
	$(PY) -m tests.first_morning

clicks: setup-test  ## What a month of 312 rows and an import of 300 cost in clicks, in Chromium; fewer rows in the suite
	PORTAL_CLICK_ROWS=312 PORTAL_CLICK_PLAN=300 PORTAL_TEST_DATABASE=sqlite $(PY) -m pytest -n 0 tests/browser/test_clicks.py

attack: setup-test  ## Attacks on what `make run` starts, with visitors beside them; on this machine only, some ten minutes
	$(PY) -m tests.attack

faults: setup-test  ## kill -9, full and read-only disks, a clock set back, in the middle of writes (root for the disks)
	PORTAL_TEST_DATABASE=sqlite $(PY) -m pytest -m faults $(T)
	PORTAL_TEST_DATABASE=postgresql $(PY) -m pytest -m faults $(T)

storm: setup-test  ## 5,000 notices through providers that err, 50 times kill -9; then many at 100 ms a call; PEOPLE=, KILLS=
	$(PY) -m tests.notices.gateways.storm
	$(PY) -m tests.notices.gateways.rush

drill: setup  ## Bring the newest backup (or one made now) back into a scratch database and compare every table
	@$(PY) -m flask --app wsgi restore-drill

bundle: setup  ## One file that sets up a server without network (deploy/), into dist/; SUITES=trixie, ARCH=arm64
	@$(PY) -m tools.bundle

bundle-trial:  ## That file tried on empty Debians without network: install, upgrade, a migration that fails (root)
	@tools/bundle_trial.sh

pins: setup-lint  ## Write requirements*.txt from what is installed in .venv
	$(PY) -m tools.pins

setup:
	@sh tools/setup.sh run

setup-lint:
	@sh tools/setup.sh lint

setup-test:
	@sh tools/setup.sh test

clean:  ## Remove caches and builds; .venv and var/ (the data) stay
	rm -rf build dist *.egg-info .mypy_cache .pytest_cache .ruff_cache .import_linter_cache .hypothesis tests/out
	find . -path ./.venv -prune -o -type d -name __pycache__ -exec rm -rf {} +

"""What every feature stands on: database, scope, access, state machines, outbox, audit, pages. Knows no feature."""

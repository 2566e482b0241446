"""Bare Flask on the same server: the yardstick of every figure."""

from flask import Flask

app = Flask(__name__)


@app.get("/")
def hello() -> str:
    return "hello"

"""Named checks: a program registers them with @check, run_all() prints one line for each.

The lines are "ok TITLE" or "not ok TITLE: REASON", and a traceback on stderr for what failed.
"""

import traceback

_checks = []


def check(title):
    def register(function):
        _checks.append((title, function))
        return function

    return register


def run_all(*arguments):
    for title, function in _checks:
        try:
            function(*arguments)
        except Exception as error:
            traceback.print_exc()
            reason = str(error).replace('\n', ' ')
            print(f'not ok {title}: {type(error).__name__}: {reason}', flush=True)
        else:
            print(f'ok {title}', flush=True)


def equal(actual, expected):
    if actual != expected:
        raise AssertionError(f'expected {expected!r}, got {actual!r}')


def same_type_and_value(actual, expected):
    equal(type(actual), type(expected))
    equal(actual, expected)

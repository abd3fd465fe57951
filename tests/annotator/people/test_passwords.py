"""Passwords and guessing, without the network."""

import time
from datetime import timedelta

import pytest
from argon2 import PasswordHasher
from hypothesis import given
from hypothesis import strategies as st

from annotator.errors import InputError, RateLimitedError, SignedOutError
from annotator.people import login, passwords, throttle
from annotator.people.passwords import check_password, hash_password, verify_password
from annotator.store.times import utc_now


@pytest.mark.parametrize(
    "password",
    [
        "short",
        "password12",
        "Password2026!",
        "P@ssw0rd!!!",
        "qwertyuiop",
        "0123456789",
        "9876543210",
        "abcdefghijkl",
        "aaaaaaaaaaaaaaaa",
        "passwordpassword",
        "letmeinletmein",
        "iloveyou1234",
        "ada-lovelace-1",
        "mapqator-2026",
        "12welcome34!",
        "x" * 1025,
    ],
)
def test_what_is_tried_first_is_refused(password: str) -> None:
    with pytest.raises(InputError):
        check_password(password, "ada-lovelace")


@pytest.mark.parametrize(
    "password", ["seven lemon harbours", "kX9!vbe2Q_m", "Äpfel, Birnen & Nüsse", "冬の朝の光が窓から差し込む"]
)
def test_what_nobody_guesses_is_taken(password: str) -> None:
    check_password(password, "ada-lovelace", "Ada")


def test_a_hash_is_argon2id_and_no_two_are_alike() -> None:
    first, second = hash_password("seven lemon harbours"), hash_password("seven lemon harbours")
    assert first.startswith("$argon2id$")
    assert first != second
    assert verify_password(first, "seven lemon harbours") == passwords.Verdict(True)
    assert not verify_password(first, "seven lemon harbour").is_right


def test_a_hash_of_other_parameters_is_made_anew_at_the_next_login(database, account_in) -> None:
    old = PasswordHasher(time_cost=1, memory_cost=8192, parallelism=1).hash("seven lemon harbours")
    with database.writing() as connection:
        ada = account_in(connection, "ada")
        connection.exec_driver_sql("UPDATE account SET password_hash = ? WHERE id = ?", (old, ada.account_id))
    enter = {"username": "ada", "password": "seven lemon harbours", "address": "192.0.2.1", "old_secret": None}
    login.sign_in(database, **enter)
    with database.reading() as connection:
        (stored,) = connection.exec_driver_sql(
            "SELECT password_hash FROM account WHERE id = ?", (ada.account_id,)
        ).one()
    assert stored != old
    assert verify_password(stored, "seven lemon harbours") == passwords.Verdict(True)


def test_a_name_that_is_not_there_takes_as_long_as_one_that_is() -> None:
    known = hash_password("seven lemon harbours")
    verify_password(None, "warms up")

    def took_s(stored: str | None) -> float:
        begin = time.process_time()
        verify_password(stored, "nine amber lanterns")
        return time.process_time() - begin

    # By turns, so that a busy machine is as slow for both, and the least of each.
    there, not_there = zip(*((took_s(known), took_s(None)) for _ in range(5)), strict=True)
    assert 0.5 < min(there) / min(not_there) < 2


def test_an_account_without_a_password_lets_nobody_in(database, account_in) -> None:
    with database.writing() as connection:
        account_in(connection, "ada")
    for password in ("", "nobody's password", "None"):
        with pytest.raises(SignedOutError):
            login.sign_in(database, username="ada", password=password, address=None, old_secret=None)


@given(num_attempts=st.integers(min_value=6, max_value=60))
def test_the_wait_never_shrinks_while_guesses_go_on_and_is_bounded(num_attempts: int) -> None:
    for key in (throttle.name_key("ada"), throttle.address_key("192.0.2.1")):
        waits = [throttle._wait_s(key, number) for number in range(1, num_attempts)]
        assert waits == sorted(waits)
        assert all(wait == 0 for wait in waits[: key.num_free - 1])
        assert max(waits) <= key.max_wait_s


def test_attempts_count_before_they_are_judged_and_are_forgotten_after_an_hour(database) -> None:
    now = utc_now()
    keys = throttle.name_key("ada"), throttle.address_key("2001:db8::1")
    with database.writing() as connection:
        for _ in range(5):
            throttle.charge(connection, keys, now=now)
        with pytest.raises(RateLimitedError):
            throttle.charge(connection, keys, now=now)
        with pytest.raises(RateLimitedError):
            throttle.charge(connection, [throttle.name_key("ADA"), throttle.address_key("192.0.2.9")], now=now)
        throttle.charge(connection, [throttle.name_key("bob"), throttle.address_key("192.0.2.9")], now=now)
        later = now + throttle.FORGET_AFTER + timedelta(minutes=5)
        for _ in range(4):
            throttle.charge(connection, keys, now=later)


def test_one_address_cannot_try_a_name_after_the_other(database) -> None:
    now = utc_now()
    with database.writing() as connection:
        for number in range(20):
            throttle.charge(
                connection, [throttle.name_key(f"user{number}"), throttle.address_key("192.0.2.1")], now=now
            )
        with pytest.raises(RateLimitedError):
            throttle.charge(connection, [throttle.name_key("ada"), throttle.address_key("192.0.2.1")], now=now)


def test_a_network_of_ipv6_is_one_address() -> None:
    assert throttle.address_key("2001:db8::1") == throttle.address_key("2001:db8::ffff:1")
    assert throttle.address_key("2001:db8::1") != throttle.address_key("2001:db8:0:1::1")
    assert throttle.address_key("192.0.2.1") != throttle.address_key("192.0.2.2")

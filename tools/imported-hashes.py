"""Makes services/platform/hasher/formats/imported-hashes.json: digests by implementations that share no code with ours.

    python3 -m venv /tmp/hashes && /tmp/hashes/bin/pip install passlib==1.7.4 bcrypt==4.0.1 Django==5.2.19 \
      argon2-cffi==25.1.0 firebase-scrypt==0.1.0 Werkzeug==3.1.8
    /tmp/hashes/bin/python tools/imported-hashes.py

It also calls `openssl passwd`, and crypt(3) of the C library by Perl. Every run makes other salts, so a committed file is replaced as a whole.
"""

import base64
import hashlib
import hmac
import json
import os
import pathlib
import struct
import subprocess

import django
from django.conf import settings

settings.configure(SECRET_KEY="only for hashes")
django.setup()

from django.contrib.auth import hashers as dj  # noqa: E402
from firebase_scrypt import encrypt, generate_derived_key  # noqa: E402
from passlib import hash as pl  # noqa: E402
from werkzeug.security import generate_password_hash as werkzeug  # noqa: E402

PASSWORD = "pässword of ½ a user"
B64 = lambda raw: base64.b64encode(raw).decode()  # noqa: E731


def openssl(kind, password):
    """OpenSSL's own SHA crypt."""
    done = subprocess.run(
        ["openssl", "passwd", kind, "-stdin"], input=password.encode(), capture_output=True, check=True
    )
    return done.stdout.decode().strip()


def django_hash(hasher, **settings_of):
    made = hasher()
    for name, value in settings_of.items():
        setattr(made, name, value)
    return made.encode(PASSWORD, made.salt())


def firebase():
    key, salt = os.urandom(64), os.urandom(10)
    parameters = {"salt_separator": "Bw==", "rounds": 8, "mem_cost": 14}
    hashed = encrypt(key, generate_derived_key(PASSWORD, salt, **parameters))
    return {"signer_key": B64(key), **parameters, "salt": B64(salt), "hash": B64(hashed)}


def keycloak(algorithm, rounds, length):
    salt = os.urandom(16)
    key = hashlib.pbkdf2_hmac(algorithm, PASSWORD.encode(), salt, rounds, length)
    ab64 = lambda raw: B64(raw).rstrip("=").replace("+", ".")  # noqa: E731
    return f"$pbkdf2-{algorithm}${rounds}${ab64(salt)}${ab64(key)}"


def ldap(name, algorithm):
    salt = os.urandom(8)
    return "{%s}%s" % (name, B64(hashlib.new(algorithm, PASSWORD.encode() + salt).digest() + salt))


def crypt3(password, setting):
    """crypt(3) of the C library."""
    program = "print crypt($ARGV[0], $ARGV[1])"
    return subprocess.run(
        ["perl", "-e", program, password, setting], capture_output=True, check=True
    ).stdout.decode()


def wordpress():
    keyed = hmac.new(b"wp-sha384", PASSWORD.encode(), hashlib.sha384).digest()
    salt = pl.bcrypt.using(rounds=5).hash("").rsplit("$", 1)[1][:22]
    return "$wp" + crypt3(B64(keyed), f"$2y$05${salt}")


def identity(place, algorithm, rounds):
    """ASP.NET Identity, version 3."""
    salt = os.urandom(16)
    key = hashlib.pbkdf2_hmac(algorithm, PASSWORD.encode(), salt, rounds, 32)
    return B64(b"\x01" + struct.pack(">III", place, rounds, len(salt)) + salt + key)


def better_auth():
    salt = os.urandom(16).hex()
    key = hashlib.scrypt(PASSWORD.encode(), salt=salt.encode(), n=16384, r=16, p=1, dklen=64, maxmem=2**26)
    return f"{salt}:{key.hex()}"


digests = {
    "bcrypt": [pl.bcrypt.using(rounds=4, ident=ident).hash(PASSWORD) for ident in ("2a", "2b", "2y")],
    "argon2id": [pl.argon2.using(type="ID", memory_cost=1024, rounds=2, parallelism=2).hash(PASSWORD)],
    "argon2i": [pl.argon2.using(type="I", memory_cost=1024, rounds=2, parallelism=2).hash(PASSWORD)],
    "scrypt": [pl.scrypt.using(rounds=10).hash(PASSWORD)],
    "better-auth-scrypt": [better_auth()],
    "pbkdf2": [
        pl.pbkdf2_sha1.using(rounds=1000).hash(PASSWORD),
        pl.pbkdf2_sha256.using(rounds=1000).hash(PASSWORD),
        pl.pbkdf2_sha512.using(rounds=1000).hash(PASSWORD),
        django_hash(dj.PBKDF2PasswordHasher, iterations=1000),
        django_hash(dj.PBKDF2SHA1PasswordHasher, iterations=1000),
        keycloak("sha512", 1000, 64),
        keycloak("sha256", 1000, 64),
        werkzeug(PASSWORD, "pbkdf2:sha256:1000"),
        werkzeug(PASSWORD, "pbkdf2:sha512:1000"),
        werkzeug(PASSWORD, "pbkdf2:sha1:1000"),
        identity(0, "sha1", 1000),
        identity(1, "sha256", 10000),
        identity(2, "sha512", 10000),
    ],
    "django-bcrypt-sha256": [django_hash(dj.BCryptSHA256PasswordHasher, rounds=4)],
    "django-bcrypt": [django_hash(dj.BCryptPasswordHasher, rounds=4)],
    "django-argon2id": [django_hash(dj.Argon2PasswordHasher, time_cost=1, memory_cost=1024, parallelism=2)],
    "django-argon2i": ["argon2" + pl.argon2.using(type="I", memory_cost=1024, rounds=1).hash(PASSWORD)],
    "django-scrypt": [django_hash(dj.ScryptPasswordHasher, work_factor=1024)],
    "werkzeug-scrypt": [werkzeug(PASSWORD, "scrypt:1024:8:1")],
    "wordpress-bcrypt": [wordpress()],
    "md5-crypt": [openssl("-1", PASSWORD), openssl("-apr1", PASSWORD), crypt3(PASSWORD, "$1$ab$")],
    "phpass": [
        pl.phpass.using(rounds=8, ident="P").hash(PASSWORD),
        pl.phpass.using(rounds=8, ident="H").hash(PASSWORD),
    ],
    "sha256-crypt": [openssl("-5", PASSWORD), pl.sha256_crypt.using(rounds=1234).hash(PASSWORD)],
    "sha512-crypt": [openssl("-6", PASSWORD), pl.sha512_crypt.using(rounds=1234).hash(PASSWORD)],
    "salted-md5": [django_hash(dj.MD5PasswordHasher), ldap("SMD5", "md5"), pl.ldap_salted_md5.hash(PASSWORD)],
    "salted-sha256": [ldap("SSHA256", "sha256"), pl.ldap_salted_sha256.hash(PASSWORD)],
    "salted-sha512": [ldap("SSHA512", "sha512"), pl.ldap_salted_sha512.hash(PASSWORD)],
}

out = pathlib.Path(__file__).parent.parent / "services/platform/hasher/formats/imported-hashes.json"
fixture = {"password": PASSWORD, "digests": digests, "firebase": firebase()}
out.write_text(json.dumps(fixture, indent=2, ensure_ascii=False) + "\n")

"""A self-signed certificate for a simulated vendor, which no client trusts."""

import ssl
import subprocess
import tempfile
from pathlib import Path


def self_signed(host: str = "127.0.0.1") -> ssl.SSLContext:
    """Return a TLS context with a fresh self-signed certificate.

    The `openssl` command creates it. Raises FileNotFoundError where openssl is not installed.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    with tempfile.TemporaryDirectory() as folder:
        key, certificate = Path(folder, "key.pem"), Path(folder, "certificate.pem")
        subprocess.run(  # noqa: S603 - the arguments are our own
            [
                *(
                    "openssl",
                    "req",
                    "-x509",
                    "-nodes",
                    "-newkey",
                    "ec",
                    "-pkeyopt",
                    "ec_paramgen_curve:prime256v1",
                ),
                *("-subj", f"/CN={host}", "-addext", f"subjectAltName=IP:{host}"),
                *("-keyout", str(key), "-out", str(certificate)),
            ],
            check=True,
            capture_output=True,
        )
        context.load_cert_chain(certificate, key)
    return context

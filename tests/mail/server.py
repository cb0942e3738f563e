"""An SMTP server for the mail tests: says what it receives as JSON lines on standard output.

The first line is {"port": N}. The server ends when its standard input does. Addresses that begin with "nobody" are
refused for good, those that begin with "later" for now.
"""

import argparse
import asyncio
import base64
import json
import logging
import ssl
import sys
import warnings
from email import message_from_bytes, policy

from aiosmtpd.smtp import SMTP, AuthResult, LoginPassword


def say(**what):
    print(json.dumps(what), flush=True)


class Handler:
    async def handle_RCPT(self, server, session, envelope, address, options):
        if address.startswith("nobody"):
            return "550 5.1.1 no such user"
        if address.startswith("later"):
            return "451 4.7.1 greylisted"
        envelope.rcpt_tos.append(address)
        return "250 2.1.5 ok"

    async def handle_DATA(self, server, session, envelope):
        message = message_from_bytes(envelope.content, policy=policy.default)
        parts = {part.get_content_type(): part.get_content() for part in message.walk() if not part.is_multipart()}
        say(
            sender=envelope.mail_from,
            recipients=envelope.rcpt_tos,
            user=getattr(session.auth_data, "login", b"").decode(),
            encrypted=server.transport.get_extra_info("ssl_object") is not None,
            headers={name.lower(): str(value) for name, value in message.items()},
            parts=parts,
            content=base64.b64encode(envelope.content).decode(),
        )
        return "250 2.0.0 queued as 1"


async def main():
    # Failed handshakes and logins are what some tests are about.
    logging.getLogger("mail.log").setLevel(logging.CRITICAL)
    warnings.simplefilter("ignore")

    parser = argparse.ArgumentParser()
    parser.add_argument("--tls", choices=["none", "starttls", "tls"], default="none")
    parser.add_argument("--certificate")
    parser.add_argument("--key")
    parser.add_argument("--login", help="NAME:PASSWORD that a client must give")
    arguments = parser.parse_args()

    context = None
    if arguments.certificate:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(arguments.certificate, arguments.key)

    def authenticate(server, session, envelope, mechanism, data):
        given = isinstance(data, LoginPassword) and b":".join([data.login, data.password]).decode()
        return AuthResult(success=given == arguments.login, auth_data=data, handled=False)

    starttls = arguments.tls == "starttls"

    def protocol():
        return SMTP(
            Handler(),
            hostname="test.example",
            tls_context=context if starttls else None,
            require_starttls=starttls,
            authenticator=authenticate,
            auth_required=arguments.login is not None,
            # The server takes only STARTTLS for encryption, not a listener that is encrypted throughout.
            auth_require_tls=starttls,
        )

    loop = asyncio.get_running_loop()
    server = await loop.create_server(
        protocol, "127.0.0.1", 0, ssl=context if arguments.tls == "tls" else None
    )
    say(port=server.sockets[0].getsockname()[1])
    await loop.run_in_executor(None, sys.stdin.read)


asyncio.run(main())

"""SMS straight to a message centre by SMPP 3.4, with smpplib in a worker thread (the extra `smpp`).

One parcel is one short connection: bind, its parts one after the other, unbind. SMPP has no idempotency key: when the
answer to a part is lost, the same parts go again with the same reference number, and a phone may show them twice.
"""

from __future__ import annotations

import contextlib
import hashlib
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from acd import unhurried
from acd.ports import PortError

if TYPE_CHECKING:
    from acd.ports import Parcel

TIMEOUT_S: Final = 10.0
MAX_PARTS: Final = 9
NUMBER: Final = re.compile(r"\+?[0-9]{5,15}")
PLAIN: Final = re.compile(r"[A-Za-z0-9 \r\n!\"#%&'()*+,./:;<=>?-]*")
"""What is the same in ASCII and GSM 03.38; everything else goes as UCS-2."""
PLAIN_WHOLE, PLAIN_PART = 160, 153
WIDE_WHOLE, WIDE_PART = 70, 67
UDHI: Final = 0x40
CODING_GSM, CODING_UCS2 = 0, 8
OK: Final = 0
NEVER: Final = frozenset({0x0000000B, 0x00000001, 0x00000002, 0x0000000A})
"""Invalid destination, message or command length, invalid source: this parcel can never be sent."""
TON_INTERNATIONAL, TON_ALPHANUMERIC, TON_UNKNOWN, NPI_ISDN, NPI_UNKNOWN = 1, 5, 0, 1, 0


@dataclass(frozen=True, slots=True)
class SmppSettings:
    """The message centre, and in whose name."""

    host: str
    port: int = 2775
    system_id: str = ""
    password: str = field(default="", repr=False)
    system_type: str = ""
    source: str = ""
    """Number or name shown to the receiver."""
    timeout_s: float = TIMEOUT_S


def parts(text: str, key: str) -> tuple[list[bytes], int, int]:
    """Return (parts, data coding, ESM class). Parts of one key always carry the same reference number.

    A character of two UCS-2 units is never torn apart. At most nine parts: longer text is cut.
    """
    plain = PLAIN.fullmatch(text) is not None
    whole, most = (PLAIN_WHOLE, PLAIN_PART) if plain else (WIDE_WHOLE, WIDE_PART)
    encoding, coding = ("ascii", CODING_GSM) if plain else ("utf-16-be", CODING_UCS2)
    text = text.encode("utf-8", "replace").decode()
    if sum(map(_units, text)) <= whole:
        return [text.encode(encoding)], coding, 0
    pieces, piece, used = [], "", 0
    for character in text:
        if used + _units(character) > most:
            pieces.append(piece)
            piece, used = "", 0
        piece += character
        used += _units(character)
    pieces = [*pieces, piece][:MAX_PARTS]
    reference = hashlib.sha256(key.encode("utf-8", "replace")).digest()[0]
    head = bytes((5, 0, 3, reference, len(pieces)))
    return (
        [head + bytes((n,)) + piece.encode(encoding) for n, piece in enumerate(pieces, start=1)],
        coding,
        UDHI,
    )


def _units(character: str) -> int:
    return 2 if ord(character) > 0xFFFF else 1  # noqa: PLR2004 - end of the basic plane


class SmppCourier:
    """The channel `sms` without a gateway."""

    def __init__(self, settings: SmppSettings) -> None:
        self._settings = settings

    async def send(self, parcel: Parcel) -> None:
        """Submit every part. Raises PortError; what the centre says can never be sent is final."""
        number = re.sub(r"[ ()-]", "", parcel.recipient)
        if not NUMBER.fullmatch(number):
            raise PortError("not a phone number", retryable=False)
        number = number.lstrip("+")
        try:
            await unhurried.in_thread(self._submit, number, parcel)
        except ImportError as error:
            raise PortError(
                "smpplib is not installed: pip install 'acd-router[smpp]'", retryable=True
            ) from error

    def _submit(self, number: str, parcel: Parcel) -> None:
        from smpplib import client as smpp
        from smpplib import exceptions

        s = self._settings
        link = smpp.Client(s.host, s.port, timeout=s.timeout_s, allow_unknown_opt_params=True)
        try:
            link.connect()
            link.bind_transmitter(system_id=s.system_id, password=s.password, system_type=s.system_type)
            pieces, coding, esm_class = parts(parcel.text, parcel.key)
            for piece in pieces:
                self._one(link, number, piece, coding, esm_class)
        except exceptions.PDUError as refused:
            raise PortError(
                f"the message centre refused: {refused.args[0]}"[:200], retryable=True
            ) from refused
        except (exceptions.ConnectionError, OSError, ValueError, KeyError) as error:
            said = str(error) or "the connection broke"
            raise PortError(f"no answer of the message centre: {said}"[:200], retryable=True) from error
        finally:
            self._leave(link)

    def _one(self, link: Any, number: str, piece: bytes, coding: int, esm_class: int) -> None:
        from smpplib import smpp

        source = self._settings.source
        named = not source.lstrip("+").isdigit()
        sent = link.send_message(
            source_addr_ton=TON_ALPHANUMERIC if named else TON_INTERNATIONAL,
            source_addr_npi=NPI_UNKNOWN if named else NPI_ISDN,
            source_addr=source.lstrip("+"),
            dest_addr_ton=TON_INTERNATIONAL,
            dest_addr_npi=NPI_ISDN,
            destination_addr=number,
            short_message=piece,
            data_coding=coding,
            esm_class=esm_class,
            registered_delivery=False,
        )
        while (
            True
        ):  # the socket's own timeout ends it; a centre that only chatters is cut off by the desk's limit
            answer = link.read_pdu()
            if answer.command == "enquire_link":
                alive = smpp.make_pdu("enquire_link_resp", client=link)
                alive.sequence = answer.sequence
                link.send_pdu(alive)
            elif answer.sequence == sent.sequence:
                break
        if answer.status != OK:
            raise PortError(
                f"the message centre refused with status {answer.status:#x}",
                retryable=answer.status not in NEVER,
            )

    @staticmethod
    def _leave(link: Any) -> None:
        """Say goodbye if there is anybody; what was taken is taken in any case."""
        with contextlib.suppress(Exception):  # a lost goodbye says nothing about the message
            link.unbind()
        link.disconnect()

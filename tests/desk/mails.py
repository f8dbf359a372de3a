"""Mails that come back, as mail servers and people write them."""

from __future__ import annotations


def bounce(message_id: str, recipient: str, action: str = "failed", status: str = "5.1.1") -> bytes:
    """A delivery status notification as Postfix writes it (RFC 3464)."""
    return f"""Return-Path: <>
From: MAILER-DAEMON@mail.example (Mail Delivery System)
To: desk@centre.example
Subject: Undelivered Mail Returned to Sender
Auto-Submitted: auto-replied
MIME-Version: 1.0
Content-Type: multipart/report; report-type=delivery-status; boundary="b1"

--b1
Content-Type: text/plain; charset=us-ascii

I'm sorry to have to inform you that your message could not be delivered.

--b1
Content-Type: message/delivery-status

Reporting-MTA: dns; mail.example
X-Postfix-Sender: rfc822; desk@centre.example
Arrival-Date: Wed, 25 Nov 2026 12:00:00 +0300 (MSK)

Final-Recipient: rfc822; {recipient}
Original-Recipient: rfc822;{recipient}
Action: {action}
Status: {status}
Remote-MTA: dns; mx.example
Diagnostic-Code: smtp; 550 5.1.1 <{recipient}>: Recipient address rejected: User unknown

--b1
Content-Type: message/rfc822

Message-ID: {message_id}
From: desk@centre.example
To: {recipient}
Subject: hidden

body
--b1--
""".replace("\n", "\r\n").encode()


def reply(message_id: str, sender: str, text: str = "Принял, перезвоню.", extra: str = "") -> bytes:
    """A person's answer with the original quoted below."""
    return f"""From: Somebody <{sender}>
To: desk@centre.example
Subject: Re: message
In-Reply-To: {message_id}
References: {message_id}
{extra}Content-Type: text/plain; charset=utf-8
Content-Transfer-Encoding: 8bit

{text}

On Wed, 25 Nov 2026 at 12:00, Desk wrote:
> Please call back
""".replace("\n", "\r\n").encode()

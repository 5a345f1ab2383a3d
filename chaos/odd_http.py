"""Parts of HTTP that fit nowhere: targets, methods, lengths, codings, headers, and what is no HTTP at all."""

from __future__ import annotations

from chaos.genuine import MISSKEY_SECRET

SECRET_HEADER = b"X-Misskey-Hook-Secret: " + MISSKEY_SECRET

TARGETS = (
    *(
        "/hooks/../hooks/misskey",
        "/hooks/./misskey",
        "/hooks//misskey",
        "//hooks/misskey",
        "/hooks/misskey//",
    ),
    *(
        "/hooks/misskey/..",
        "/hooks/%6disskey",
        "/hooks/mis%73key",
        "/hooks/%2e%2e/%2e%2e/etc/passwd",
        "/hooks/..%2f",
    ),
    *(
        "/hooks/misskey%00",
        "/hooks/misskey\x00",
        "/hooks/misskey%0d%0aX: y",
        "/hooks/misskey;a=b",
        "/hooks/MISSKEY",
    ),
    *(
        "/hooks/misskey?a=b",
        "/hooks/misskey#a",
        "/hooks/misskey?%ff%00#?",
        "/hooks/misskey/?",
        "/hooks/%u002e",
    ),
    *(
        "/hooks/\xe9\xff",
        "/hooks/%e9%ff%c0%ae",
        "/hooks/\\..\\misskey",
        "/hooks/" + "a" * 300,
        "/" + "a" * 9000,
    ),
    *(
        "/hooks/" + "../" * 3000,
        "http://x/hooks/misskey",
        "http://u:p@x:1/hooks/team",
        "https://[::1]/hooks/misskey",
    ),
    *(
        "http://[::1",
        "http://",
        "http:///hooks/misskey",
        "//x/hooks/misskey",
        "*",
        "",
        "?",
        "#",
        "x:1",
        "hooks/misskey",
    ),
    *(
        "/",
        "/metrics",
        "/healthz",
        "/hooks",
        "/hooks/",
        "/hooks/hookline:event:1",
        "/hooks/*",
        "/hooks/\r",
        "/%",
    ),
)
METHODS = (
    "GET",
    "HEAD",
    "PUT",
    "OPTIONS",
    "CONNECT",
    "TRACE",
    "PRI",
    "post",
    "POST\x00",
    "PO ST",
    "",
    "X" * 300,
    "é",
)
VERSIONS = (
    "HTTP/1.0",
    "HTTP/2.0",
    "HTTP/0.9",
    "HTTP/1.10",
    "http/1.1",
    "HTTP/11",
    "",
    "XTTP/1.1",
    "HTTP/1.1 ",
)
LENGTHS = (
    "0",
    "-1",
    "+5",
    "5 ",
    "0x5",
    "5, 5",
    "5,6",
    "",
    "1e3",
    "99999999999999999999",
    "٥",
    "00005",
    "5\x00",
    "65537",
)
CODINGS = (
    *(
        "chunked",
        "Chunked",
        "identity",
        "gzip, chunked",
        "chunked, gzip",
        "chunked, chunked",
        " chunked",
        "chunked ;q=1",
    ),
    *("xchunked", "chunked\x0b", "", ",", "chunked,", "\xe9", "gzip"),
)
CHUNK_SIZES = (
    *(
        b"-1",
        b"0x5",
        b"+5",
        b"5 ",
        b" 5",
        b"FFFFFFFFFFFFFFFFFFFFFFFF",
        b"7fffffffffffffff",
        b"10000",
        b"",
        b"g",
        b"5;",
    ),
    *(
        b"5;a=b",
        b'5;a="\r"',
        b"5" + b"0" * 9000,
        b"5;" + b"a" * 9000,
        b"5\x00",
        b"00000000000000000005",
        b"5\n",
    ),
)
ODD_HEADERS = (
    *(
        b"Expect: 100-continue",
        b"Expect: 200-ok",
        b"Upgrade: h2c",
        b"Connection: Upgrade, HTTP2-Settings",
        b": x",
    ),
    *(
        b"Upgrade: websocket",
        b"Connection: close",
        b"Connection: keep-alive, close",
        b"Content-Encoding: gzip",
    ),
    *(
        b"Content-Encoding: deflate, br, zstd",
        b"TE: trailers",
        b"Trailer: X-Misskey-Hook-Secret",
        b"Host: a\r\nHost: b",
    ),
    *(
        b"X: \xe9\xff",
        b"X: \x00",
        b"X\x00: y",
        b"X : y",
        b" folded: y",
        b"X: a\r\n folded",
        b"X: \x1b[31m",
        b"X",
    ),
    *(
        b"Cookie: " + b"a=b; " * 1500,
        b"Range: bytes=0-0,0-1",
        b"Content-Type: \xff; charset=\x80",
        b"X: a\rb",
        b"X: a\nb",
    ),
    *(
        b"Transfer-Encoding: chunked",
        b"Content-Length: 3",
        SECRET_HEADER,
        b"X-Esa-Signature: sha256=" + b"0" * 64,
    ),
)
OTHER_PROTOCOLS = (
    *(
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(300),
        b"\x05\x01\x00",
    ),
    *(
        b"*1\r\n$8\r\nFLUSHALL\r\n",
        b"EHLO x\r\n",
        b"SSH-2.0-x\r\n",
        b"\x00" * 2000,
        b"\xff" * 2000,
        b"\r\n" * 2000,
    ),
    *(
        b"GET / HTTP/1.1\r\n" + b"a" * 200_000,
        b"A" * 100_000,
        b"PROXY TCP4 1.1.1.1 2.2.2.2 1 2\r\n",
        b"\x80\x2e\x01",
    ),
)

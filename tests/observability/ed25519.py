"""Signatures of RFC 8032 in a few lines, for a test that needs one JWT: not for secrets."""

import hashlib

P = 2**255 - 19
ORDER = 2**252 + 27742317777372353535851937790883648493
D = -121665 * pow(121666, -1, P) % P


def add(a, b):
    (x1, y1, z1, t1), (x2, y2, z2, t2) = a, b
    e, g = (y1 - x1) * (y2 - x2) % P, (y1 + x1) * (y2 + x2) % P
    c, d = 2 * t1 * t2 * D % P, 2 * z1 * z2 % P
    e, f, g, h = g - e, d - c, d + c, g + e
    return e * f % P, g * h % P, f * g % P, e * h % P


def times(number, point):
    result = (0, 1, 1, 0)
    while number:
        if number & 1:
            result = add(result, point)
        point, number = add(point, point), number >> 1
    return result


def base_point():
    y = 4 * pow(5, -1, P) % P
    square = (y * y - 1) * pow(D * y * y + 1, -1, P) % P
    x = pow(square, (P + 3) // 8, P)
    if (x * x - square) % P:
        x = x * pow(2, (P - 1) // 4, P) % P
    x = P - x if x & 1 else x
    return x, y, 1, x * y % P


def compressed(point):
    x, y, z, _ = point
    inverse = pow(z, -1, P)
    x, y = x * inverse % P, y * inverse % P
    return (y | (x & 1) << 255).to_bytes(32, "little")


def number(data):
    return int.from_bytes(data, "little")


def sign(seed, message):
    """The signature of a message with the private key of that seed (32 bytes)."""
    digest = hashlib.sha512(seed).digest()
    secret = number(digest[:32]) & ~7 & (1 << 254) - 1 | 1 << 254
    public = compressed(times(secret, base_point()))
    nonce = number(hashlib.sha512(digest[32:] + message).digest()) % ORDER
    begin = compressed(times(nonce, base_point()))
    challenge = number(hashlib.sha512(begin + public + message).digest()) % ORDER
    return begin + ((nonce + challenge * secret) % ORDER).to_bytes(32, "little")

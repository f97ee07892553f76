#!/bin/sh
# A certificate authority, and a certificate of it for auth.example.com: good for a century, and for these tests alone.
set -eu
cd "$(dirname "$0")"
openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 36500 -subj '/CN=Tollgate tests' \
    -keyout ca-key.pem -out ca.pem
openssl req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj '/CN=auth.example.com' -keyout server-key.pem -out server.csr
printf 'subjectAltName=DNS:auth.example.com\n' > server.ext
openssl x509 -req -in server.csr -CA ca.pem -CAkey ca-key.pem -CAcreateserial -days 36500 -extfile server.ext -out server.pem
rm -f ca-key.pem ca.srl server.csr server.ext

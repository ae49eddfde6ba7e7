# syntax=docker/dockerfile:1
# cvm alone, for projects to build upon: docker build --tag cvm .   (then deploy/kubernetes/project.Dockerfile)
#
# One static file, linked with musl. Compiled from C: ring (the cryptography of TLS), zstd, mimalloc and the few instructions of psm;
# all need a compiler and the headers of musl, nothing else. Names are looked up by musl, from /etc/resolv.conf and /etc/hosts.
# Exponentials and logarithms are those of musl, the same on any machine; those of glibc differ from them, and between processors, in
# the last digit of about one in a thousand. So a published double may differ there from what a binary linked with glibc publishes.

FROM rust:1.95-alpine AS build
# Their versions follow the base image's.
# hadolint ignore=DL3018
RUN apk add --no-cache ca-certificates musl-dev tzdata
WORKDIR /src
COPY . .
ENV CARGO_PROFILE_RELEASE_STRIP=true
# The caches are the builder's own: a second build compiles what changed.
RUN --mount=type=cache,target=/usr/local/cargo/registry \
    --mount=type=cache,target=/src/target \
    cargo build --release --locked --bin cvm && cp target/release/cvm /cvm
# What needs an interpreter or a library would not start where there is nothing else.
RUN readelf --program-headers --dynamic --wide /cvm > /headers && ! grep -E 'INTERP|NEEDED' /headers && mkdir /empty

# Nothing but cvm: docker build --target bare. Certificates for stores by https are looked for where Debian and Alpine have them.
FROM scratch AS bare
COPY --from=build /etc/ssl/certs/ca-certificates.crt /etc/ssl/certs/ca-certificates.crt
# Tables between stages and spilled rows go here where CVM_WORK_FOLDER says nothing else.
COPY --from=build --chmod=1777 /empty /tmp
COPY --from=build /cvm /usr/local/bin/cvm
ENV PATH=/usr/local/bin:/bin
WORKDIR /project
# By number, so that Kubernetes can see that it is not root.
USER 65532:65532
ENTRYPOINT ["cvm"]

# With what the script of deploy/kubernetes/cvm.yaml needs to tell the day: a shell, `date` and time zones.
FROM bare
COPY --from=busybox:1.37.0-musl /bin/sh /bin/date /bin/
COPY --from=build /usr/share/zoneinfo /usr/share/zoneinfo

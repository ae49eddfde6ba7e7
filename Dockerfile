# syntax=docker/dockerfile:1
# cvm alone, for projects to build upon: docker build --tag cvm .   (then deploy/kubernetes/project.Dockerfile)
#
# Linked with glibc, on Debian, rather than with musl as one static file: logarithms and exponentials are those of the C library,
# and the checks have seen the figures with this one. Whether musl's would change a last digit has not been tried, and neither has
# linking with it: nothing else in the binary is a shared library (TLS is rustls with ring).

FROM rust:1.95-slim-trixie AS build
WORKDIR /src
COPY . .
ENV CARGO_PROFILE_RELEASE_STRIP=true
# The caches are the builder's own: a second build compiles what changed.
RUN --mount=type=cache,target=/usr/local/cargo/registry \
    --mount=type=cache,target=/src/target \
    cargo build --release --locked --bin cvm && cp target/release/cvm /cvm

FROM debian:trixie-slim
# Certificates for stores by https, time zones for the day of a cron job. Their versions follow the base image's security updates.
# hadolint ignore=DL3008
RUN apt-get update \
    && apt-get install --yes --no-install-recommends ca-certificates tzdata \
    && rm -rf /var/lib/apt/lists/*
COPY --from=build /cvm /usr/local/bin/cvm
WORKDIR /project
# By number, so that Kubernetes can see that it is not root.
USER 65532:65532
ENTRYPOINT ["cvm"]

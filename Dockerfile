# syntax=docker/dockerfile:1
# cvm alone, for projects to build upon: docker build --tag cvm .   (then deploy/kubernetes/project.Dockerfile)
#
# One static file, linked with the archives of the same C library that cvm is built and checked with, so that it publishes the same
# doubles. Names are looked up as /etc/resolv.conf and /etc/hosts say: those ways are in the archive since glibc 2.34.

FROM rust:1.95-bookworm AS build
# Their versions follow the base image's.
# hadolint ignore=DL3008
RUN apt-get update && apt-get install --yes --no-install-recommends ca-certificates tzdata && rm -rf /var/lib/apt/lists/*
WORKDIR /src
COPY . .
# The caches are the builder's own: a second build compiles what changed.
RUN --mount=type=cache,target=/usr/local/cargo/registry \
    --mount=type=cache,target=/src/target \
    deploy/static-build && cp target/static/cvm /cvm && install --directory --mode=1777 /empty/tmp

# Nothing but cvm: docker build --target bare. Certificates for stores by https are looked for where Debian and Alpine have them.
FROM scratch AS bare
COPY --from=build /etc/ssl/certs/ca-certificates.crt /etc/ssl/certs/ca-certificates.crt
# /tmp, where tables between stages and spilled rows go if CVM_WORK_FOLDER says nothing else. Copied with its mode out of a folder
# that has nothing else: Docker and Buildah give a folder that COPY itself makes 0755, whatever --chmod says.
COPY --from=build /empty /
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

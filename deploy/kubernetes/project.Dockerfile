# An organisation's project upon cvm's image, from the folder that `cvm init` wrote and pipelines/webshop.yml was added to:
#   docker build --file project.Dockerfile --build-arg CVM=registry.example.com/cvm:0.1.0 --tag registry.example.com/shop:2025-01-01 shop
# The SQL is versioned with the image. A ConfigMap would be too small for it, and has no folders.
ARG CVM=cvm:latest
FROM ${CVM}
WORKDIR /project
COPY pipelines pipelines
COPY sql sql
# A faulty project is no image. Yours: the pipeline, and something in the place of each variable that it reads without a default, for
# what holds is told when it runs. Nothing of it stays in the image.
ARG RAW=file:/tmp
ARG LAKE=file:/tmp
RUN ["cvm", "validate", "pipelines/webshop.yml"]

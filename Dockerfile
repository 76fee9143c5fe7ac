# speechmill on Ray's own image: Ray, its locked environment and the embedded voice; other models come from a volume.
#
#   docker build -t registry.example.com/speechmill:0.1.0-ray2.60.0 .
#   docker build --build-arg VARIANT=cu128 -t registry.example.com/speechmill:0.1.0-ray2.60.0 .     # CUDA's tools as well
#
# VARIANT is the end of Ray's image tag: cpu, or cuNNN. PyTorch's wheels bring CUDA's libraries themselves.
# The tag can be pinned further: --build-arg RAY_IMAGE=rayproject/ray:2.60.0-py311-cpu@sha256:…
ARG RAY_VERSION=2.60.0
ARG PYTHON=py311
ARG VARIANT=cpu
ARG RAY_IMAGE=rayproject/ray:${RAY_VERSION}-${PYTHON}-${VARIANT}

FROM ${RAY_IMAGE} AS build
USER 0
RUN install -d -o 1000 -g 100 /opt/speechmill /src /wheels
USER 1000:100
WORKDIR /src
COPY --chown=1000:100 requirements.lock ./
# An environment of its own: Ray's image holds other versions of what the lock names. The lock's Ray equals the image's.
RUN python -m venv /opt/speechmill \
    && /opt/speechmill/bin/python -m pip install --no-cache-dir --no-deps --only-binary :all: --require-hashes \
        -r requirements.lock
COPY --chown=1000:100 . ./
# setuptools is in the lock too, so that nothing comes without a hash.
RUN /opt/speechmill/bin/python -m pip wheel --no-cache-dir --no-index --no-deps --no-build-isolation \
        --wheel-dir /wheels . \
    && /opt/speechmill/bin/python -m pip install --no-cache-dir --no-index --no-deps /wheels/*.whl

FROM ${RAY_IMAGE}
USER 0
COPY --from=build /opt/speechmill /opt/speechmill
RUN install -d -o 1000 -g 100 /cache
ENV PATH=/opt/speechmill/bin:${PATH} \
    HF_HOME=/cache/huggingface \
    HIBARI_HOME=/cache/hibari \
    SPEECHMILL_CACHE=/cache/speechmill \
    NVIDIA_DRIVER_CAPABILITIES=compute,utility \
    RAY_USAGE_STATS_ENABLED=0
VOLUME /cache
# A number, so that Kubernetes can see that it is not root; the user `ray` of Ray's image.
USER 1000:100
WORKDIR /home/ray
CMD ["speechmill", "--help"]

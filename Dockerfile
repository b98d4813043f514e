# Bandstand in one image: what changes rarely in the lower layers, no root at run time, no network needed once built.
# The encoder is exported while building, so that torch and the weights' package stay out of the image that runs.
FROM python:3.11-slim-bookworm AS base
ENV PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1 PYTHONDONTWRITEBYTECODE=1
RUN apt-get update && apt-get install --no-install-recommends -y libgomp1 && rm -rf /var/lib/apt/lists/*

FROM base AS dependencies
WORKDIR /build
COPY requirements.lock pyproject.toml ./
COPY deploy/dependencies.py ./deploy/
RUN python deploy/dependencies.py serve > serve.txt && python deploy/dependencies.py build > build.txt \
    && python -m venv /opt/libraries \
    && /opt/libraries/bin/pip install --constraint requirements.lock --requirement serve.txt

FROM dependencies AS program
COPY . .
RUN /opt/libraries/bin/pip install --no-deps --target /opt/bandstand .

FROM dependencies AS encoder
RUN /opt/libraries/bin/pip install --constraint requirements.lock --requirement build.txt
COPY --from=program /opt/bandstand /opt/bandstand
# Another one by --build-arg ENCODER=NAME: what `BANDSTAND_ENCODER` may be, if it can be exported.
ARG ENCODER=int8
RUN mkdir -p /opt/home/encoders && PYTHONPATH=/opt/bandstand BANDSTAND_HOME=/opt/home BANDSTAND_ENCODER=$ENCODER \
    /opt/libraries/bin/python -c "from bandstand.app.encoders import prepare_encoder; from bandstand.settings import load_settings; prepare_encoder(load_settings())"

FROM base
ARG ENCODER=int8
RUN useradd --create-home --uid 10001 bandstand && install -d -o bandstand /var/lib/bandstand
COPY --from=dependencies /opt/libraries /opt/libraries
# A new named volume begins as a copy of this folder, and so with the encoder.
COPY --from=encoder --chown=bandstand /opt/home/encoders /var/lib/bandstand/encoders
COPY --from=program /opt/bandstand /opt/bandstand
ENV PATH=/opt/bandstand/bin:/opt/libraries/bin:$PATH PYTHONPATH=/opt/bandstand \
    BANDSTAND_HOME=/var/lib/bandstand BANDSTAND_HOST=0.0.0.0 BANDSTAND_ENCODER=$ENCODER HF_HUB_OFFLINE=1
USER bandstand
VOLUME /var/lib/bandstand
EXPOSE 8080
HEALTHCHECK --interval=10s --start-period=120s CMD ["python", "-c", "import urllib.request as u; u.urlopen('http://127.0.0.1:8080/healthz', timeout=2)"]
# It listens on every address: without BANDSTAND_ADMIN_KEY, or a key in its home, it does not start (docs/security.md).
CMD ["bandstand", "serve"]

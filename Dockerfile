# Bandstand in one image: dependencies in a layer of their own, no root at run time, no network needed once built.
FROM python:3.11-slim AS build
WORKDIR /build
RUN python -m venv /opt/bandstand
COPY requirements.lock pyproject.toml README.md LICENSE ./
# The locked dependencies change rarely; the code on top of them changes often.
RUN python -c "import tomllib; print('\n'.join(tomllib.load(open('pyproject.toml', 'rb'))['project']['dependencies']))" > names.txt \
    && /opt/bandstand/bin/pip install --no-cache-dir --constraint requirements.lock --requirement names.txt
COPY . .
RUN /opt/bandstand/bin/pip install --no-cache-dir --no-deps .

FROM python:3.11-slim
RUN apt-get update && apt-get install --no-install-recommends -y libgomp1 && rm -rf /var/lib/apt/lists/* \
    && useradd --create-home --uid 10001 bandstand && install -d -o bandstand /var/lib/bandstand
COPY --from=build /opt/bandstand /opt/bandstand
ENV PATH=/opt/bandstand/bin:$PATH BANDSTAND_HOME=/var/lib/bandstand BANDSTAND_HOST=0.0.0.0 HF_HUB_OFFLINE=1
USER bandstand
VOLUME /var/lib/bandstand
EXPOSE 8080
HEALTHCHECK --start-period=60s CMD ["python", "-c", "import urllib.request as u; u.urlopen('http://127.0.0.1:8080/readyz', timeout=2)"]
CMD ["bandstand", "serve"]

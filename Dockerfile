# Fairlead in an environment of its own, run by a user without rights.
#   docker build -t fairlead .
# BASE: any image with Python 3.11 or newer. Wheels that lie in wheels/ are used in place of a
# package index, so that it can be built where none is reached:
#   pip wheel --wheel-dir wheels . 'setuptools>=77'
ARG BASE=python:3.11-slim

FROM ${BASE} AS build
COPY . /fairlead
WORKDIR /fairlead
RUN if ls wheels/*.whl >/dev/null 2>&1; then \
      export PIP_NO_INDEX=1 PIP_FIND_LINKS=/fairlead/wheels; \
    fi \
    && python3 -m venv /opt/fairlead \
    && /opt/fairlead/bin/pip install --no-cache-dir --disable-pip-version-check . \
    && cp -r examples /opt/fairlead

FROM ${BASE}
RUN useradd --uid 1000 --home-dir /srv/fairlead --create-home fairlead
COPY --from=build /opt/fairlead /opt/fairlead
ENV PATH=/opt/fairlead/bin:$PATH PYTHONUNBUFFERED=1
USER fairlead
WORKDIR /srv/fairlead
ENTRYPOINT ["fairlead"]

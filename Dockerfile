FROM python:3.11-slim AS build
RUN pip install --no-cache-dir uv==0.13.9
WORKDIR /src
COPY pyproject.toml requirements.lock README.md LICENSE ./
COPY schemas schemas
COPY agents agents
COPY streams streams
COPY surfaces surfaces
COPY sop sop
# The lock pins every package by version and hash; as constraints it brings in only what the worker itself needs.
RUN python -m venv /opt/sop \
    && uv pip install --no-cache --python /opt/sop/bin/python --constraints requirements.lock .

FROM python:3.11-slim
RUN useradd --system --uid 10001 --no-create-home sop
COPY --from=build /opt/sop /opt/sop
ENV PATH=/opt/sop/bin:$PATH PYTHONUNBUFFERED=1
USER 10001
ENTRYPOINT ["sop"]
CMD ["worker"]

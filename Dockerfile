FROM python:3.11.11-slim-bookworm AS build
RUN pip install --no-cache-dir uv==0.13.9
WORKDIR /src
COPY pyproject.toml requirements.lock README.md LICENSE ./
COPY schemas schemas
COPY agents agents
COPY streams streams
COPY surfaces surfaces
COPY sop sop
# The lock pins every package by version and hash; as constraints it brings in only what workers and surfaces need.
RUN python -m venv /opt/sop \
    && uv pip install --no-cache --compile-bytecode --python /opt/sop/bin/python --constraints requirements.lock ".[audit,console,tracing]"

FROM python:3.11.11-slim-bookworm
# The folder is for what `sop alerts forward` and `sop archive` keep (SOP_DATA_DIR); mount a volume there. Nothing else is written.
RUN useradd --system --uid 10001 --no-create-home sop \
    && install --directory --owner=10001 --group=10001 /var/lib/sop
COPY --from=build /opt/sop /opt/sop
ENV PATH=/opt/sop/bin:$PATH PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1 SOP_DATA_DIR=/var/lib/sop
USER 10001:10001
ENTRYPOINT ["sop"]
CMD ["worker"]

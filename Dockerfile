# Hookline's image: `receiver`, `worker`, `console` and every other command of `hookline`.
#   docker build -t hookline .
FROM python:3.13-slim AS build
WORKDIR /src

# --system-site-packages: plugins' requirements come in through Python's user site (see deploy/start.py),
# which a closed environment does not read. pip itself stays the base image's.
RUN python -m venv --without-pip --system-site-packages /opt/hookline

# The dependencies are a layer of their own, so that a change to the code does not install them again.
COPY pyproject.toml constraints.txt ./
RUN python -c "import tomllib; \
project = tomllib.load(open('pyproject.toml', 'rb'))['project']; \
extras = project['optional-dependencies']; \
wanted = [extras[name] for name in ('receiver', 'worker', 'console', 'tracing')]; \
print(*project['dependencies'], *sum(wanted, []), sep='\n')" >requirements.txt \
 && pip --python /opt/hookline/bin/python install --no-cache-dir --ignore-installed \
    --constraint constraints.txt --requirement requirements.txt

COPY README.md LICENSE ./
COPY shared shared
COPY receiver receiver
COPY worker worker
COPY console console
RUN pip --python /opt/hookline/bin/python install --no-cache-dir --no-deps . \
 && pip --python /opt/hookline/bin/python freeze --exclude hookline --path /opt/hookline/lib/python3.13/site-packages \
    >/opt/hookline/constraints.txt
COPY deploy/start.py deploy/health.py /opt/hookline/

FROM python:3.13-slim
# /var/lib/hookline holds what plugins require, /hookline/data what they write, /hookline/spool what waits
# for Redis; all are volumes, and a new volume takes its owner and mode from here.
RUN groupadd --gid 10001 hookline \
 && useradd --uid 10001 --gid hookline --no-create-home --home-dir /hookline --shell /usr/sbin/nologin hookline \
 && install --directory --owner=hookline --group=hookline /var/lib/hookline /hookline/data \
 && install --directory --owner=hookline --group=hookline --mode=700 /hookline/spool
COPY --from=build /opt/hookline /opt/hookline
ENV PATH=/opt/hookline/bin:/var/lib/hookline/current/bin:$PATH \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1 \
    PYTHONUSERBASE=/var/lib/hookline/current
WORKDIR /hookline
USER 10001:10001
ENTRYPOINT ["python", "/opt/hookline/start.py"]
CMD ["--help"]

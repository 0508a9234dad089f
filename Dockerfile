# The package with its dependencies, for the pods of a Ray cluster: docker build -t pyramid-nas .
# (docs/cluster.md; it was never built where it was written)
FROM python:3.11-slim

# KubeRay's probes call wget; Pillow and torch bring their own libraries.
RUN apt-get update && apt-get install -y --no-install-recommends wget && rm -rf /var/lib/apt/lists/*

WORKDIR /app
COPY pyproject.toml constraints.txt README.md LICENSE ./
COPY nas nas
COPY search_spaces search_spaces
COPY studies studies
COPY schemas schemas
# The operator talks to Ray's dashboard, which Ray's extra `default` brings.
RUN pip install --no-cache-dir -c constraints.txt '.[postgres,s3]' 'ray[default]'

RUN useradd --create-home ray
USER ray
WORKDIR /home/ray

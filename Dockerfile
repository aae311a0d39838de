# syntax=docker/dockerfile:1

# The dashboard. It is the same on every platform, so it is built on the builder's own.
FROM --platform=$BUILDPLATFORM node:20-bookworm-slim AS dashboard
WORKDIR /src/web-client
COPY web-client/package.json web-client/package-lock.json web-client/.npmrc ./
COPY web-client/client/package.json client/
RUN --mount=type=cache,target=/root/.npm npm ci --no-audit --no-fund
COPY web-client/ ./
RUN npm run build

# The binary, with the dashboard inside.
FROM rust:1.95-slim-bookworm AS binary
WORKDIR /src
COPY Cargo.toml Cargo.lock ./
COPY rooms rooms
COPY storage storage
COPY server server
# What /docs shows.
COPY docs docs
# Members of the workspace, which cargo wants to see; none of them is compiled.
COPY tests tests
COPY --from=dashboard /src/web-client/dist web-client/dist
# The cache holds the target folder only while this step runs, so the binary is copied out of it.
RUN --mount=type=cache,target=/usr/local/cargo/registry \
    --mount=type=cache,target=/src/target \
    cargo build --release --locked -p baton && cp target/release/baton /usr/local/bin/baton

FROM debian:bookworm-slim
# TLS to Postgres and Redis needs the world's certificates; the newest ones, so no version is pinned.
# hadolint ignore=DL3008
RUN apt-get update \
    && apt-get install -y --no-install-recommends ca-certificates \
    && rm -rf /var/lib/apt/lists/* \
    && useradd --system --uid 10001 --home-dir /var/lib/baton --create-home --shell /usr/sbin/nologin baton
COPY --from=binary /usr/local/bin/baton /usr/local/bin/baton
COPY deploy/probe /usr/local/bin/baton-probe
USER 10001
# Where a SQLite file lives, if that is the store: mount a volume here to keep it.
WORKDIR /var/lib/baton
ENV BATON_LISTEN=0.0.0.0:7400 \
    DATABASE_URL=sqlite:///var/lib/baton/baton.db
EXPOSE 7400
HEALTHCHECK --interval=10s --timeout=3s --start-period=20s --retries=3 CMD ["baton-probe", "/healthz"]
ENTRYPOINT ["baton"]
CMD ["serve"]

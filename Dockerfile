# syntax=docker/dockerfile:1
# A build stage, then only what runs: no shell, no package manager, no root. `docker compose build`.

FROM node:24.22.1-bookworm-slim AS build
WORKDIR /app
# Prisma's installer downloads a native engine that we do not use.
ENV NODE_ENV=production PRISMA_SCHEMA_ENGINE_BINARY=/bin/true CHECKPOINT_DISABLE=1
COPY package.json package-lock.json .npmrc ./
# The Node that runs the product is a dependency, replaced by the one of this stage if that is later. Prisma's command line, which generates the client, is one of development.
RUN npm ci --include=dev
COPY . .
# What is shipped is what runs: the bundle, the packages outside of it, and what they read. No source, and no Postgres:
# a container uses an external one.
RUN node tools/bootstrap.mjs \
    && node tools/image/ship.mjs /shipped \
    && mkdir /empty \
    && mkdir -p /secrets/product /secrets/owner /secrets/api /secrets/mcp /secrets/worker \
      /secrets/postgres /secrets/redis /secrets/grafana

FROM gcr.io/distroless/cc-debian12:nonroot
WORKDIR /app
ENV NODE_ENV=production \
    SALLYPORT_DATA_DIR=/var/lib/sallyport \
    HOST=0.0.0.0
COPY --from=build /shipped /app
# A volume gets its owner from the folder it is first mounted over.
COPY --from=build --chown=nonroot:nonroot /empty /var/lib/sallyport
COPY --from=build --chown=nonroot:nonroot /secrets /run/sallyport-secrets
COPY --from=build --chown=nonroot:nonroot /empty /run/tasks-secrets
USER nonroot
EXPOSE 3000 3001 9464
# For `api`, the default role.
HEALTHCHECK --interval=5s --timeout=3s --start-period=90s \
  CMD ["/app/node_modules/.bin/node", "-e", "fetch('http://127.0.0.1:' + (process.env.PORT ?? 3000) + '/readyz').then((answer) => process.exit(answer.ok ? 0 : 1), () => process.exit(1))"]
ENTRYPOINT ["/app/node_modules/.bin/node", "--max-semi-space-size=16", "deploy/container/entry.mjs"]
CMD ["api"]

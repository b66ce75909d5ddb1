# syntax=docker/dockerfile:1
# test/packaging lays out a directory by the COPY lines below and runs what ENTRYPOINT, CMD and HEALTHCHECK say in it.

FROM node:24-slim AS dependencies
WORKDIR /build
COPY package.json package-lock.json ./
RUN npm ci --no-audit --no-fund

FROM dependencies AS build
COPY tsconfig.json tsconfig.build.json ./
COPY scripts ./scripts
COPY src ./src
RUN npm run build && npm prune --omit=dev

# The demo's identity provider, for docker-compose.yml. It lets in whoever asks: never part of the gateway's image.
FROM node:24-slim AS demo-idp
WORKDIR /opt/sallyport-demo
COPY --from=dependencies /build/node_modules ./node_modules
COPY demo ./demo
USER node
ENTRYPOINT ["node", "/opt/sallyport-demo/demo/idp.mjs"]
CMD ["--port", "9400"]

FROM node:24-slim AS gateway
ENV NODE_ENV=production
WORKDIR /opt/sallyport
COPY --from=build /build/package.json ./package.json
COPY --from=build /build/node_modules ./node_modules
COPY --from=build /build/dist ./dist
COPY bin ./bin
COPY policies ./policies
COPY schema ./schema
COPY LICENSE ./LICENSE
RUN groupadd --gid 10001 sallyport \
 && useradd --uid 10001 --gid 10001 --no-create-home --home-dir /nonexistent --shell /usr/sbin/nologin sallyport \
 && install -d -o 10001 -g 10001 -m 0700 /var/lib/sallyport
USER 10001:10001
VOLUME /var/lib/sallyport
EXPOSE 8443 5433
# /readyz is 200 once every listener is open and the record takes entries.
HEALTHCHECK --interval=10s --timeout=3s --start-period=20s --retries=3 \
  CMD ["node", "/opt/sallyport/bin/healthcheck.mjs", "https://127.0.0.1:8443/readyz"]
ENTRYPOINT ["/opt/sallyport/bin/sallyport"]
CMD ["serve", "--config", "/etc/sallyport/sallyport.yaml"]

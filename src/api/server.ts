import type { IncomingMessage, ServerResponse } from 'node:http';
import { createServer as createHttpServer } from 'node:http';
import { createServer as createHttpsServer } from 'node:https';
import { hostname } from 'node:os';
import type { SecureContextOptions } from 'node:tls';
import swagger from '@fastify/swagger';
import fastify, { type FastifyInstance, type FastifyReply, type FastifyRequest } from 'fastify';
import {
  hasZodFastifySchemaValidationErrors,
  jsonSchemaTransform,
  serializerCompiler,
  validatorCompiler,
} from 'fastify-type-provider-zod';
import { z } from 'zod';
import { GatewayError } from '../core/errors.ts';
import type { Limits } from '../core/limits.ts';
import { authorise, stillAllowed } from './authorise.ts';
import { problemView } from './contract.ts';
import { checkHeaders, type Door, SECURITY_HEADERS } from './guard.ts';
import type { ApiRooms, Caller } from './ports.ts';
import { problemOf } from './problem.ts';
import { createRateLimit } from './rate.ts';
import type { Call, Route } from './route.ts';
import { routeTable } from './routes.ts';
import { openTail, type Tail } from './tail.ts';

export interface ApiLog {
  warn(fields: object, message: string): void;
  error(fields: object, message: string): void;
}

export interface ApiOptions {
  readonly version: string;
  readonly limits: Limits;
  readonly log: ApiLog;
  /** `null`: only addresses and the names of this machine are taken as Host. */
  readonly publicUrl: string | null;
  readonly heartbeat_ms?: number;
}

/** One fastify for one door: who may come in is decided by where he came in. */
export async function createDoor(
  rooms: ApiRooms,
  options: ApiOptions,
  door: Door,
  tls: SecureContextOptions | null,
): Promise<{ readonly app: FastifyInstance; readonly endTails: (why: string) => void }> {
  const { limits } = options;
  const app = fastify({
    logger: false,
    bodyLimit: limits.request_body_bytes_max,
    exposeHeadRoutes: false,
    forceCloseConnections: true,
    requestTimeout: limits.handshake_ms,
    keepAliveTimeout: KEEP_ALIVE_MS,
    frameworkErrors: (error, _request, reply) => void sendProblem(reply, toFailure(error)),
    routerOptions: { maxParamLength: 200 },
    serverFactory: (handler) => newServer(handler, limits, tls),
  });
  app.removeContentTypeParser('text/plain');
  app.setValidatorCompiler(validatorCompiler);
  app.setSerializerCompiler(serializerCompiler);
  app.setErrorHandler((error, request, reply) => {
    const failure = toFailure(error);
    if (!isExpected(failure))
      options.log.error({ err: error, route: request.routeOptions.url ?? '' }, 'a request failed');
    sendProblem(reply, failure);
  });
  app.setNotFoundHandler((_request, reply) =>
    sendProblem(reply, new GatewayError('NOT_FOUND', 'there is no such route')),
  );
  const tails = new Set<Tail>();
  guardEverything(app, rooms, options, door);
  await app.register(swagger, {
    openapi: {
      openapi: '3.1.0',
      info: { title: 'Sallyport', version: options.version, license: { name: 'MIT', identifier: 'MIT' } },
      components: { securitySchemes: { bearer: { type: 'http', scheme: 'bearer' } } },
    },
    transform: jsonSchemaTransform,
  });
  for (const route of routeTable(limits)) register(app, route, { rooms, options, door, tails });
  await app.ready();
  const endTails = (why: string): void => {
    for (const tail of [...tails]) tail.end({ event: 'end', data: { why } });
  };
  return { app, endTails };
}

interface Context {
  readonly rooms: ApiRooms;
  readonly options: ApiOptions;
  readonly door: Door;
  readonly tails: Set<Tail>;
}

type Handler = (request: IncomingMessage, response: ServerResponse) => void;

function newServer(handler: Handler, limits: Limits, tls: SecureContextOptions | null) {
  const settings = {
    maxHeaderSize: HEADER_BYTES_MAX,
    headersTimeout: limits.handshake_ms,
    requestTimeout: limits.handshake_ms,
    connectionsCheckingInterval: 1_000,
    insecureHTTPParser: false,
    requireHostHeader: true,
  };
  const server =
    tls === null
      ? createHttpServer(settings, handler)
      : createHttpsServer({ ...settings, ...tls, minVersion: 'TLSv1.2', ALPNProtocols: ['http/1.1'] }, handler);
  server.maxConnections = limits.connections_max;
  server.maxHeadersCount = HEADERS_MAX;
  return server;
}

/** What happens to every request before anything looks at it. */
function guardEverything(app: FastifyInstance, rooms: ApiRooms, options: ApiOptions, door: Door): void {
  const rate = createRateLimit(options.limits.requests_per_second_max);
  const hosts = new Set(['localhost', 'admin.sock', hostname().toLowerCase()]);
  if (options.publicUrl !== null) hosts.add(new URL(options.publicUrl).hostname.toLowerCase());
  app.addHook('onRequest', async (request, reply) => {
    reply.headers(SECURITY_HEADERS);
    if (door.kind === 'network' && door.tls) reply.header('strict-transport-security', 'max-age=31536000');
    checkHeaders(request.raw, hosts);
    if (door.kind === 'network' && !rate.take(request.ip, performance.now())) {
      reply.header('retry-after', '1');
      throw new GatewayError(
        'CLIENT_TOO_MANY',
        `more than ${options.limits.requests_per_second_max} requests a second`,
      );
    }
  });
  app.addHook('onResponse', async (request, reply) => {
    rooms.health.answered(request.routeOptions.url ?? 'none', reply.statusCode, reply.elapsedTime / 1000);
  });
}

function register(app: FastifyInstance, route: Route, context: Context): void {
  const callers = new WeakMap<FastifyRequest, Caller>();
  const { rooms, door } = context;
  app.route({
    method: route.method,
    url: route.path,
    schema: schemaOf(route),
    // Before the body is read: nobody unknown makes the gateway parse anything.
    onRequest: async (request) => {
      const params: unknown = request.params;
      const caller = await authorise(
        route.access,
        {
          door,
          authorization: request.headers.authorization,
          clientAddress: request.ip ?? '',
          subject: subjectOf(params),
        },
        rooms,
      );
      callers.set(request, caller);
    },
    handler: async (request, reply) => {
      const caller = callers.get(request);
      if (caller === undefined) throw new Error('a handler ran before its caller was known');
      const call = {
        caller,
        rooms,
        params: request.params,
        query: request.query,
        body: request.body,
        clientAddress: request.ip ?? '',
      };
      if (route.kind === 'openapi')
        return reply
          .header('content-type', 'application/json; charset=utf-8')
          .serializer((value: unknown) => JSON.stringify(value))
          .send(app.swagger());
      if (route.kind === 'tail') return startTail(route, call, reply, context);
      if (route.kind === 'text') {
        const answer = await route.answer(call);
        return reply.header('content-type', answer.contentType).serializer(String).send(answer.text);
      }
      const answer = await route.answer(call);
      const waiting = route.path === '/readyz' && (answer as { readonly ready: boolean }).ready === false; // `readyView`
      return reply.code(waiting ? 503 : route.status).send(answer);
    },
  });
}

async function startTail(
  route: Route & { kind: 'tail' },
  call: Call<unknown, unknown, unknown>,
  reply: FastifyReply,
  context: Context,
): Promise<void> {
  const { rooms, options, tails } = context;
  if (tails.size >= options.limits.tails_max) throw new GatewayError('CLIENT_TOO_MANY', `${tails.size} tails are open`);
  const stops: (() => void)[] = [];
  const early: (() => void)[] = [];
  let tail: Tail | null = null;
  // Entries that come before the stream is open wait for it: `start` may call back at once.
  const whenOpen = (act: (open: Tail) => void): void =>
    tail === null ? void early.push(() => tail !== null && act(tail)) : act(tail);
  stops.push(
    await route.start(call, {
      entry: (event) => whenOpen((open) => open.send({ event: 'entry', data: event })),
      end: (why) => whenOpen((open) => open.end({ event: 'end', data: { why } })),
    }),
  );
  reply.hijack();
  if (reply.raw.destroyed) {
    for (const stop of stops) stop();
    return;
  }
  const headers = { ...SECURITY_HEADERS, 'content-type': 'text/event-stream', 'x-accel-buffering': 'no' };
  reply.raw.writeHead(200, headers);
  const opened = openTail(reply.raw, {
    buffer_bytes_max: options.limits.tail_bytes_max,
    heartbeat_ms: options.heartbeat_ms ?? HEARTBEAT_MS,
    farewell_ms: FAREWELL_MS,
    stillAllowed: () => stillAllowed(route.access, call.caller, call.clientAddress, rooms),
    closed: () => {
      tails.delete(opened);
      for (const stop of stops) stop();
    },
  });
  tail = opened;
  tails.add(opened);
  if (call.caller.kind === 'principal') {
    stops.push(
      rooms.identity.watch(call.caller.identified, () => opened.end({ event: 'end', data: { why: 'revoked' } })),
    );
  }
  for (const act of early) act();
}

function schemaOf(route: Route): Record<string, unknown> {
  const failures = { '4xx': problemView, '5xx': problemView };
  const response =
    route.kind === 'json'
      ? { [route.status]: route.output, ...(route.path === '/readyz' ? { 503: route.output } : {}), ...failures }
      : {
          200:
            route.kind === 'openapi'
              ? z.unknown()
              : z.string().describe(route.kind === 'tail' ? 'text/event-stream' : 'text/plain'),
          ...failures,
        };
  return {
    summary: route.summary,
    security: route.access.kind === 'public' ? [] : [{ bearer: [] }],
    params: route.params,
    querystring: route.query,
    ...(route.body === null ? {} : { body: route.body }),
    response,
  };
}

function subjectOf(params: unknown): string | null {
  if (typeof params !== 'object' || params === null) return null;
  const [first] = Object.values(params);
  return typeof first === 'string' ? first.slice(0, 200) : null;
}

/** Fastify's own failures, as ours. */
function toFailure(error: unknown): unknown {
  if (hasZodFastifySchemaValidationErrors(error)) {
    const first = error.validation[0];
    const where = `${error.validationContext ?? 'input'}${first?.instancePath ?? ''}`;
    const what = first?.message ?? 'not understood';
    return new GatewayError('INPUT_INVALID', `${where}: ${what.charAt(0).toLowerCase()}${what.slice(1)}`);
  }
  const status = typeof error === 'object' && error !== null && 'statusCode' in error ? error.statusCode : undefined;
  if (status === 413) return new GatewayError('WIRE_FRAME_TOO_LONG', 'the body is longer than is taken');
  if (status === 415) return new GatewayError('INPUT_INVALID', 'the body must be application/json');
  if (status === 400) return new GatewayError('INPUT_INVALID', 'the request is not well-formed');
  return error;
}

function isExpected(failure: unknown): boolean {
  return problemOf(failure).code !== 'INTERNAL';
}

function sendProblem(reply: FastifyReply, failure: unknown): void {
  const view = problemOf(failure);
  if (view.status === 401) reply.header('www-authenticate', 'Bearer realm="sallyport"');
  reply
    .code(view.status)
    .headers(SECURITY_HEADERS)
    .header('content-type', 'application/problem+json')
    .serializer((value: unknown) => JSON.stringify(value))
    .send(view);
}

const HEADER_BYTES_MAX = 16_384;
const HEADERS_MAX = 100;
const KEEP_ALIVE_MS = 10_000;
const HEARTBEAT_MS = 15_000;
const FAREWELL_MS = 5_000;

import { randomBytes, randomInt } from 'node:crypto';
import { constants } from 'node:fs';
import { access, mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { oidcKeys } from './adapters/idp-oidc/keys.ts';
import { APPROVALS, approvalsIn } from './adapters/store-sqlite/approvals.ts';
import { openStore } from './adapters/store-sqlite/database.ts';
import { IDENTITY_MIGRATION, identityStore } from './adapters/store-sqlite/identity.ts';
import { createApi } from './api/api.ts';
import { createApproval } from './approval/approval.ts';
import { openLog } from './audit/open-log.ts';
import type { RecordStage } from './audit/stage.ts';
import { apiRooms } from './compose/api-rooms.ts';
import { catalogueReaders } from './compose/catalogues.ts';
import { adminEnvelope, writeAdmin } from './compose/control.ts';
import { Current } from './compose/current.ts';
import { maskTokenKey, receiptSigner } from './compose/keys.ts';
import { Ports } from './compose/listeners.ts';
import { mayWrite } from './compose/may-write.ts';
import { loadPolicySet } from './compose/policies.ts';
import { identityTls } from './compose/tls.ts';
import { versionsOf } from './compose/versions.ts';
import type { Config } from './config/config.ts';
import { configInvalid, loadConfig } from './config/load.ts';
import { describeProblem } from './config/problem.ts';
import { watchConfig } from './config/watch.ts';
import { GatewayError } from './core/errors.ts';
import { Cancels } from './gateway/cancels.ts';
import { Catalogues } from './gateway/catalogues.ts';
import { dialDirect } from './gateway/dial.ts';
import type { GatewayPorts } from './gateway/ports.ts';
import { LiveSessions } from './gateway/sessions.ts';
import { probeOnread } from './gateway/socket.ts';
import { createIdentity } from './identity/identity.ts';
import { postgresCellMask } from './masking/postgres.ts';
import type { Logger } from './observe/log.ts';
import { createMetrics } from './observe/metrics.ts';
import { createPipeline } from './pipeline/decide.ts';
import { postgresProtocol } from './protocols/postgres/protocol.ts';
import { createClassifier } from './protocols/sql/classify.ts';
import { literalFree } from './protocols/sql/literals.ts';
import { loadParser } from './protocols/sql/parser.ts';
import { VERSION } from './version.ts';

export interface StartOptions {
  readonly configPath: string;
  readonly env: NodeJS.ProcessEnv;
  readonly log: Logger;
}

export interface RunningGateway {
  /** By listener: `api`, `admin`, `postgres`, and each target with a port of its own. */
  readonly addresses: Readonly<Record<string, string>>;
  reload(): Promise<void>;
  /** Stops accepting, lets what is open finish for a while, ends the rest, closes the record. */
  stop(reason: string): Promise<void>;
}

/** Configuration and adapters and rooms → a running gateway. Everything is validated before anything listens. */
export async function startGateway(options: StartOptions): Promise<RunningGateway> {
  const { log, env, configPath } = options;
  const loaded = loadConfig(configPath, env);
  if (loaded.outcome === 'invalid') throw configInvalid(loaded.problems);
  for (const warning of loaded.warnings) log.warn({ file: warning.file, line: warning.line }, describeProblem(warning));
  const { config } = loaded;
  const now = () => Date.now();
  const set = await loadPolicySet(config, now());
  await Promise.all([loadParser(), probeOnread()]);

  const closing: (() => void | Promise<void>)[] = [];
  try {
    return await start(options, config, set, closing);
  } catch (error) {
    for (const close of closing.reverse()) await close();
    throw error;
  }
}

async function start(
  { log, env, configPath }: StartOptions,
  config: Config,
  set: Awaited<ReturnType<typeof loadPolicySet>>,
  closing: (() => void | Promise<void>)[],
): Promise<RunningGateway> {
  const now = () => Date.now();
  const { dataDir, name } = config.gateway;
  const inData = (...parts: string[]) => join(dataDir, ...parts);
  const keysDirectory = inData('keys');
  await makePrivate(keysDirectory);
  const metrics = createMetrics(VERSION);
  closing.push(() => metrics.close());

  const auditDirectory = inData('audit');
  const record = await openLog({
    directory: auditDirectory,
    keyFile: join(keysDirectory, 'log.key'),
    sessionKeys: join(keysDirectory, 'sessions'),
    origin: originOf(config),
    clock: { now },
    durability: config.durability,
    limits: config.limits,
    alert: ({ code, message }) => log.error({ code }, message),
  });
  closing.push(() => record.close());
  const run = randomBytes(8).toString('hex');
  record.append({ ...adminEnvelope(now(), { version: VERSION, policy: set.digest, run }), kind: 'gateway-start' }, {});

  const database = await openStore(config.gateway.store.path, [IDENTITY_MIGRATION, APPROVALS]);
  closing.push(() => database.close());
  const timers = {
    delay: (duration_ms: number) => new Promise<void>((resolve) => setTimeout(resolve, duration_ms)),
    every: (period_ms: number, call: () => void) => {
      const timer = setInterval(call, period_ms);
      timer.unref();
      return () => clearInterval(timer);
    },
  };
  const settings = (of: Config) => ({ config: of.identity, publicUrl: of.gateway.publicUrl, limits: of.limits });
  const identity = createIdentity(
    settings(config),
    {
      store: identityStore(database),
      keys: oidcKeys({ now }, { deadline_ms: FETCH_MS, bytes_max: FETCH_BYTES_MAX }),
      timers,
      warn: (message) => log.warn({}, message),
    },
    { now },
    randomBytes,
  );
  closing.push(() => identity.close());

  const approval = createApproval(
    {
      store: approvalsIn(database),
      record,
      signer: await receiptSigner(join(keysDirectory, 'receipts.key')),
      clock: {
        now,
        after: (delay_ms, call) => {
          const timer = setTimeout(call, delay_ms);
          return () => clearTimeout(timer);
        },
      },
      onFault: (fault) => log.error({ err: fault }, 'an approval failed'),
      newId: () => identifier('req', now()),
    },
    { gateway: name, run, limits: config.limits },
  );
  const left = await approval.recover();
  if (left > 0) log.info({ count: left }, 'requests of an earlier run were cancelled: nobody holds them any more');
  closing.push(() => approval.close());

  const classifier = createClassifier({ limits: config.limits });
  const protocol = postgresProtocol(classifier);
  const current = new Current(config, set, {
    facts: { fact: (action, fact) => protocol.facts(action)[fact], document: () => null },
    random: () => randomInt(1_000_000) / 1_000_000,
    onDifference: (difference) => {
      log.error(
        { of: difference.of },
        'the fast and the sure way of deciding differ: only the sure one is used from here on',
      );
      writeAdmin(record, now(), { alert: 'policy-difference', of: difference.of }, { ...difference });
    },
  });
  const policy = current.stage();
  const timed: RecordStage = {
    append: (envelope, sealed) => record.append(envelope, sealed),
    accepting: () => record.accepting(),
    durable: (entry, crossing) => {
      const syncing = record.durable(entry, crossing);
      if (syncing === undefined) return undefined;
      const since = performance.now();
      return syncing.finally(() => metrics.recordSynced((performance.now() - since) / 1_000));
    },
  };
  const pipeline = createPipeline({
    policy,
    approval,
    record: timed,
    display: (action) => protocol.display(action),
    versions: (actions) => versionsOf(actions, current, config.limits),
    withoutLiterals: (text) => withoutLiterals(text),
    now,
    onFault: (fault) => log.error({ err: fault }, 'a decision failed and was a refusal'),
  });
  const catalogues = new Catalogues({
    readerOf: catalogueReaders(current, config.limits, (message) => log.warn({}, message)),
    refresh_ms: config.limits.catalogue_refresh_ms,
    now,
    changed: () => void current.now.policy.advance(),
  });

  const tokenKey = await maskTokenKey(join(keysDirectory, 'mask-tokens.key'));
  const live = new LiveSessions();
  const ports: GatewayPorts = {
    limits: config.limits,
    identity,
    pipeline,
    record,
    catalogues,
    cancels: new Cancels(),
    sessions: live,
    dial: dialDirect,
    cellMask: (mask, type) => postgresCellMask(mask, type, tokenKey),
    target: (target) => current.now.targets.get(target) ?? null,
    mayWrite: (principal, target) => mayWrite(current.now.set, principal, target),
    requestUrl: (id) => {
      const { url } = current.now.config.approvals;
      return url === null ? null : `${url.replace(/\/$/, '')}/requests/${id}`;
    },
    now,
    id: (prefix) => identifier(prefix, now()),
    random: randomBytes,
    log,
    count: metrics,
  };
  const tls = await identityTls(config, now());
  const listeners = new Ports(ports, protocol, tls);
  closing.push(() => listeners.stopAccepting());
  const waiting = new Set(['the listeners are not open yet']);
  const api = createApi(
    apiRooms({
      log: record,
      auditDirectory,
      live,
      identity,
      approval,
      current,
      catalogues,
      classifier,
      metrics,
      postgresAddress: () => listeners.addresses.postgres ?? null,
      waiting: () => [...waiting],
      now,
    }),
    { version: VERSION, limits: config.limits, log, publicUrl: config.gateway.publicUrl },
  );
  closing.push(() => api.close());
  const addresses: Record<string, string> = {};
  addresses.admin = await api.listen({ kind: 'unix', path: inData('admin.sock') });
  if (config.listeners.api !== null) {
    addresses.api = await api.listen(
      config.listeners.api,
      tls === null ? undefined : { cert: tls.certificate, key: tls.key },
    );
  }
  await listeners.open(config);
  waiting.clear();
  metrics.observing(...notEnforced(current));

  if (tls !== null) {
    const renewal = setInterval(() => void renew(), CERTIFICATE_CHECK_MS);
    renewal.unref();
    closing.push(() => clearInterval(renewal));
  }
  let shown = tls;
  const renew = async (): Promise<void> => {
    try {
      const fresh = await identityTls(current.now.config, now());
      if (fresh === null || fresh.certificate === shown?.certificate) return;
      shown = fresh;
      listeners.renew(fresh);
      api.renew({ cert: fresh.certificate, key: fresh.key });
      writeAdmin(record, now(), { action: 'certificate-renewed' });
    } catch (error) {
      log.error({ err: error }, 'the certificate could not be renewed');
    }
  };

  const apply = async (next: Config): Promise<void> => {
    const nextSet = await loadPolicySet(next, now());
    listeners.check(next);
    identity.configure(settings(next));
    current.replace(next, nextSet);
    await listeners.open(next);
    // Labels are part of the catalogues: what is in use is labelled anew before the reload is called done.
    await catalogues.refreshAll();
    writeAdmin(record, now(), { action: 'config-reload', policy: nextSet.digest });
    log.info({ policy: nextSet.digest }, 'the configuration was read again');
  };
  const watch = watchConfig({
    path: configPath,
    env,
    current: config,
    apply: async (next, warnings) => {
      await apply(next);
      for (const warning of warnings) log.warn({ file: warning.file, line: warning.line }, describeProblem(warning));
      metrics.configLoaded('applied');
      metrics.observing(...notEnforced(current));
    },
    refused: (problems, error) => {
      metrics.configLoaded('refused');
      for (const problem of problems) log.error({ file: problem.file, line: problem.line }, describeProblem(problem));
      log.error({ err: error }, 'the new configuration was refused; the old one stays in force');
    },
    signal: true,
  });
  closing.push(() => watch.close());

  return {
    get addresses() {
      return { ...addresses, ...listeners.addresses };
    },
    reload: async () => void (await watch.reload()),
    stop: async (reason) => {
      waiting.add('the gateway is stopping');
      watch.close();
      approval.close();
      listeners.stopAccepting();
      await drained(live, config.limits.drain_ms);
      record.append({ ...adminEnvelope(now(), { reason }), kind: 'gateway-stop' }, {});
      for (const close of closing.reverse()) await close();
    },
  };
}

/** The first thing that needs the data directory says plainly when it cannot be written. */
async function makePrivate(directory: string): Promise<void> {
  try {
    await mkdir(directory, { recursive: true, mode: 0o700 });
    await access(directory, constants.W_OK);
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? String(error.code) : String(error);
    const who = process.getuid?.() ?? 'this user';
    throw new GatewayError('CONFIG_INVALID', `gateway.data_dir: uid ${who} cannot write ${directory} (${code})`);
  }
}

/** Everybody is told; who is in the middle of something may finish it. */
async function drained(live: LiveSessions, drain_ms: number): Promise<void> {
  for (const session of live.list()) session.drain();
  const deadline = Date.now() + drain_ms;
  while (live.size > 0 && Date.now() < deadline) await new Promise((resolve) => setTimeout(resolve, 20));
  for (const session of live.list()) session.end(STOPPING);
  // Their last entries are written as they close.
  while (live.size > 0 && Date.now() < deadline + LAST_WORDS_MS)
    await new Promise((resolve) => setTimeout(resolve, 20));
}

/** The log's name: this gateway's address without its scheme, and its name (C2SP tlog-checkpoint: a schema-less URL). */
function originOf(config: Config): string {
  const { name, publicUrl } = config.gateway;
  return `${publicUrl === null ? 'localhost' : new URL(publicUrl).host}/${name}`;
}

/** Read as Latin-1, one character a byte, as the tokenizer wants it; then back to what it was. */
function withoutLiterals(text: Uint8Array): string | null {
  const source = Buffer.from(text.buffer, text.byteOffset, text.byteLength).latin1Slice();
  // A literal of our own at the end: a text without any is not looked at, and could not be told from one it cannot read.
  const free = literalFree(`${source}${OWN_LITERAL}`);
  return free === null ? null : Buffer.from(free.text.slice(0, -OWN_LITERAL.length), 'latin1').toString('utf8');
}

/** Sorted by time, and with 80 random bits nobody can guess. */
function identifier(prefix: string, now: number): string {
  return `${prefix}_${now.toString(36).padStart(9, '0')}${randomBytes(10).toString('hex')}`;
}

const STOPPING = {
  code: 'GATEWAY_STOPPING',
  rule: null,
  why: 'the gateway is stopping',
  hint: 'connect again',
  cure: null,
  retry: 'later',
  request: null,
} as const;

/** How many targets and rules are only observed. */
function notEnforced({ now: { config, set } }: Current): [targets: number, rules: number] {
  const at = Date.now();
  const targets = config.targets.filter(({ mode }) => mode.kind === 'observe' && mode.until > at);
  const rules = set.rules.filter(({ observeUntil }) => observeUntil !== null && observeUntil > at);
  return [targets.length, rules.length];
}

const CERTIFICATE_CHECK_MS = 12 * 3_600_000;
const OWN_LITERAL = ' 0';
const LAST_WORDS_MS = 2_000;
const FETCH_MS = 5_000;
const FETCH_BYTES_MAX = 1_000_000;

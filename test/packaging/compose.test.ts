import { existsSync, readFileSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { parseArgs } from 'node:util';
import { describe, expect, test } from 'vitest';
import type { Config } from '../../src/config/config.ts';
import { type ConfigFiles, systemFiles } from '../../src/config/files.ts';
import { loadConfig } from '../../src/config/load.ts';
import { mountedAt, readCompose, serviceOf } from './compose.ts';
import { all, execForm, healthCheck, imageStage, last, ROOT, repositoryStages } from './dockerfile.ts';

const compose = readCompose();
const stages = repositoryStages();
const image = imageStage(stages);
const gateway = serviceOf(compose, 'gateway');
const postgres = serviceOf(compose, 'postgres');
const idp = serviceOf(compose, 'idp');
const configPath = execForm(last(image, 'CMD')).at(-1) ?? '';
const config = loadMounted();

describe('what docker-compose.yml names is there', () => {
  test('every mounted file or folder is in the repository, and read only', () => {
    const binds = compose.mounts.filter(({ named }) => !named);
    expect(binds.length).toBeGreaterThan(2);
    expect(binds.filter(({ from }) => !existsSync(join(ROOT, from)))).toEqual([]);
    expect(binds.filter(({ readOnly }) => !readOnly)).toEqual([]);
  });

  test('every named volume is declared, and every declared one is used', () => {
    const used = compose.mounts.filter(({ named }) => named).map(({ from }) => from);
    expect(new Set(used)).toEqual(new Set(compose.volumes));
  });

  test('every service that another one names exists', () => {
    const named = Object.values(compose.services).flatMap(({ depends_on, network_mode }) => [
      ...Object.keys(depends_on),
      ...(network_mode?.startsWith('service:') === true ? [network_mode.slice('service:'.length)] : []),
    ]);
    expect(named.filter((name) => compose.services[name] === undefined)).toEqual([]);
    expect(named).toContain('gateway');
  });

  test('who waits for a healthy service waits for one with a health check', () => {
    for (const { depends_on } of Object.values(compose.services)) {
      for (const [name, { condition }] of Object.entries(depends_on)) {
        expect(condition).toBe('service_healthy');
        expect(serviceOf(compose, name).healthcheck).toBeDefined();
      }
    }
  });

  test('every build target is a stage of the Dockerfile, and the gateway is its last one', () => {
    const targets = Object.values(compose.services).flatMap(({ build }) => (build === undefined ? [] : [build.target]));
    const names = stages.map(({ name }) => name);
    expect(targets.filter((target) => !names.includes(target))).toEqual([]);
    expect(gateway.build?.target).toBe(image.name);
  });

  test('the commands in its head name services, users and files that exist', () => {
    const head = readFileSync(join(ROOT, 'docker-compose.yml'), 'utf8').split('services:')[0] ?? '';
    const [, service = '', script = '', user = ''] = /exec -T (\w+) node (\S+) (\S+@\S+)\)/.exec(head) ?? [];
    expect(compose.services).toHaveProperty(service);
    expect(existsSync(join(ROOT, script))).toBe(true);
    expect(readFileSync(join(ROOT, 'demo/idp.mjs'), 'utf8')).toContain(`'${user}'`);
    const [, of = '', path = ''] = /cp (\w+):(\S+) /.exec(head) ?? [];
    expect([of, path]).toEqual(['gateway', join(config.gateway.dataDir, 'ca.pem')]);
    const [, port = '', database = ''] = /psql "host=localhost port=(\d+) dbname=(\S+)/.exec(head) ?? [];
    expect(published().get(port)).toBe(portOf(config.listeners.postgres));
    expect(config.targets.map(({ name }) => name)).toContain(database);
  });
});

describe('the gateway of docker-compose.yml', () => {
  test('its configuration, where the mounts put it, has no problem and no warning', () => {
    const { problems, warnings } = loaded();
    expect({ problems, warnings }).toEqual({ problems: [], warnings: [] });
    expect(config.policies.length).toBeGreaterThan(0);
  });

  test('ports are published on loopback only, exposed by the image, and listened on', () => {
    const exposed = last(image, 'EXPOSE').split(' ');
    expect(gateway.ports.filter((line) => !line.startsWith('127.0.0.1:'))).toEqual([]);
    const inside = [...published().values()];
    expect(inside.filter((port) => !exposed.includes(port))).toEqual([]);
    expect(new Set(inside)).toEqual(new Set([portOf(config.listeners.api), portOf(config.listeners.postgres)]));
  });

  test('what is published is reached under the public name', () => {
    const url = new URL(config.gateway.publicUrl ?? '');
    expect(published().get(url.port)).toBe(portOf(config.listeners.api));
    expect(url.hostname).toBe('localhost');
  });

  test('the health check of the image asks the API of this configuration', () => {
    const [, , address = ''] = healthCheck(image);
    expect(new URL(address).port).toBe(portOf(config.listeners.api));
    expect(new URL(address).protocol).toBe(config.gateway.tls.kind === 'off' ? 'http:' : 'https:');
  });

  test('state lies in the volume of the image, on a mount that stays', () => {
    expect(config.gateway.dataDir).toBe(last(image, 'VOLUME'));
    expect(mountedAt(compose, 'gateway', config.gateway.dataDir)).toMatchObject({ named: true, readOnly: false });
  });

  test('every variable it is given is used by the configuration, and every one used is given', () => {
    const text = readFileSync(mountedFile(configPath), 'utf8');
    const used = [...text.matchAll(/\$\{env:(\w+)\}/g)].map(([, name]) => name);
    expect(new Set(used)).toEqual(new Set(Object.keys(gateway.environment)));
  });

  test('logins at the target are those that the sample data makes', () => {
    const sql = readFileSync(join(ROOT, 'examples/demo/sample.sql'), 'utf8');
    const made = new Map(
      [...sql.matchAll(/create role (\w+) login password '([^']+)'/g)].map(([, name, password]) => [name, password]),
    );
    const logins = config.targets.flatMap(({ credentials, catalogCredential }) => [...credentials, catalogCredential]);
    expect(logins.length).toBeGreaterThan(2);
    for (const { user, password } of logins) expect([user, password.reveal()]).toEqual([user, made.get(user)]);
  });

  test('it is given longer to stop than it takes to drain', () => {
    const [, seconds = '0'] = /^(\d+)s$/.exec(gateway.stop_grace_period ?? '') ?? [];
    expect(Number(seconds) * 1000).toBeGreaterThan(config.limits.drain_ms);
  });

  test('it can write nothing but its volumes, and can gain no privilege', () => {
    for (const { read_only, cap_drop, security_opt } of [gateway, idp]) {
      expect({ read_only, cap_drop, security_opt }).toEqual({
        read_only: true,
        cap_drop: ['ALL'],
        security_opt: ['no-new-privileges:true'],
      });
    }
  });
});

describe('nobody goes round the gateway', () => {
  test('the database has no network, and its socket is shared with the gateway alone', () => {
    expect(postgres.network_mode).toBe('none');
    expect(postgres.ports).toEqual([]);
    expect(postgres.command?.at(-1)).toBe('listen_addresses=');
    const [target] = config.targets;
    const path = target?.address.kind === 'unix' ? target.address.path : '';
    const shared = mountedAt(compose, 'gateway', path);
    expect(shared?.named).toBe(true);
    const sharing = compose.mounts.filter(({ from }) => from === shared?.from);
    expect(sharing.map(({ service }) => service).toSorted()).toEqual(['gateway', 'postgres']);
    // unix_socket_directories of the official image, and the name PostgreSQL gives its socket (manual, 19.3).
    expect(new Set(sharing.map(({ to }) => to))).toEqual(new Set(['/var/run/postgresql']));
    expect(basename(path)).toBe('.s.PGSQL.5432');
  });

  test('the database asks for a password on its socket too', () => {
    expect(postgres.environment.POSTGRES_INITDB_ARGS).toBe('--auth-local=scram-sha-256');
    expect(Object.keys(postgres.environment).filter((name) => !POSTGRES_VARIABLES.has(name))).toEqual([]);
  });

  test('the database holds the sample data in the database that the target names, and keeps it', () => {
    expect(postgres.image).toBe('postgres:18');
    expect(postgres.environment.POSTGRES_DB).toBe(config.targets[0]?.database);
    const sql = compose.mounts.find(({ from }) => from === 'examples/demo/sample.sql');
    expect(sql).toMatchObject({ service: 'postgres', to: '/docker-entrypoint-initdb.d/sample.sql' });
    // From 18 on the image's volume is the folder above the versions' own.
    expect(mountedAt(compose, 'postgres', '/var/lib/postgresql/18/docker')).toMatchObject({
      to: '/var/lib/postgresql',
    });
    expect(postgres.healthcheck?.test).toContain(`--dbname=${postgres.environment.POSTGRES_DB}`);
  });

  test('the identity provider is reached on loopback only, at the issuer the gateway trusts', () => {
    const stage = stages.find(({ name }) => name === idp.build?.target);
    if (stage === undefined) throw new Error('the provider has no stage');
    const [provider] = config.identity.providers ?? [];
    expect(idp).toMatchObject({ network_mode: 'service:gateway', ports: [] });
    const command = idp.command ?? execForm(last(stage, 'CMD'));
    const { values } = parseArgs({ args: [...command], options: { port: { type: 'string' } } });
    expect(provider?.issuer).toBe(`http://127.0.0.1:${values.port}`);
    expect(published().has(values.port ?? '')).toBe(false);
    const source = readFileSync(join(ROOT, 'demo/idp.mjs'), 'utf8');
    expect(source).toContain("server.listen(at, '127.0.0.1'");
    expect(all(stage, 'COPY')).toContain('demo ./demo');
  });
});

/** Host port → port inside, of the gateway. */
function published(): ReadonlyMap<string, string> {
  return new Map(
    gateway.ports.map((line) => {
      const [host = '', inside = ''] = line.split(':').slice(1);
      return [host, inside];
    }),
  );
}

function portOf(address: Config['listeners']['api']): string {
  return address?.kind === 'tcp' ? String(address.port) : '';
}

/** A path of the gateway's container as one of the repository. */
function mountedFile(path: string): string {
  const found = mountedAt(compose, 'gateway', path);
  return found === null || found.named ? path : join(ROOT, found.from, path.slice(found.to.length));
}

/** The configuration as the container reads it: every path goes through the mounts. */
function loaded() {
  const files: ConfigFiles = {
    ...systemFiles,
    read: (path) => systemFiles.read(mountedFile(path)),
    exists: (path) => systemFiles.exists(mountedFile(path)),
    list: (directory) => systemFiles.list(mountedFile(directory)),
  };
  const result = loadConfig(configPath, gateway.environment, files);
  return result.outcome === 'loaded'
    ? { config: result.config, problems: [], warnings: result.warnings }
    : { config: null, problems: result.problems, warnings: [] };
}

function loadMounted(): Config {
  const { config: found, problems } = loaded();
  if (found === null) throw new Error(`${dirname(configPath)}: ${JSON.stringify(problems)}`);
  return found;
}

/** What the official image reads (docker-library/docs, postgres). */
const POSTGRES_VARIABLES = new Set([
  'POSTGRES_PASSWORD',
  'POSTGRES_USER',
  'POSTGRES_DB',
  'POSTGRES_INITDB_ARGS',
  'POSTGRES_INITDB_WALDIR',
  'POSTGRES_HOST_AUTH_METHOD',
  'PGDATA',
]);

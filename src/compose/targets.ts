import { readFileSync } from 'node:fs';
import { type Config, type LoginConfig, labelIds, type TargetConfig } from '../config/config.ts';
import type { Target, TargetCredential } from '../gateway/targets.ts';

/** The configuration's targets as the data path needs them. Passwords stay references until they are sent. */
export function targetsOf(config: Config): ReadonlyMap<string, Target> {
  return new Map(config.targets.map((line) => [line.name, targetOf(line)]));
}

function targetOf(line: TargetConfig): Target {
  return {
    name: line.name,
    protocol: line.protocol,
    address: line.address,
    tls: line.tls,
    ca: line.ca === null ? null : readFileSync(line.ca, 'utf8'),
    serverName: line.address.kind === 'tcp' ? line.address.host : 'localhost',
    database: line.database,
    databases: line.databases,
    resource: { kind: 'Target', id: line.name, labels: labelIds(line.labels), parent: null },
    credentials: line.credentials.map((credential) => ({
      groups: credential.for?.groups ?? null,
      principals: credential.for?.principals ?? null,
      ...login(credential),
    })),
    catalogue: login(line.catalogCredential),
    settings: {},
    sessionMax_ms: line.sessionMax_ms,
  };
}

function login({ user, auth, password }: LoginConfig): Pick<TargetCredential, 'user' | 'auth' | 'password'> {
  return { user, auth, password: async () => password.reveal() };
}

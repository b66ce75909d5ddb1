import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { parse } from 'yaml';
import { z } from 'zod';
import { ROOT } from './dockerfile.ts';

/** Every key that docker-compose.yml uses; another one is an error, so that none goes unchecked. */
const service = z.strictObject({
  build: z.strictObject({ context: z.string(), target: z.string() }).optional(),
  image: z.string().optional(),
  command: z.array(z.string()).optional(),
  network_mode: z.string().optional(),
  depends_on: z.record(z.string(), z.strictObject({ condition: z.string() })).default({}),
  environment: z.record(z.string(), z.string()).default({}),
  ports: z.array(z.string()).default([]),
  volumes: z.array(z.string()).default([]),
  healthcheck: z
    .strictObject({ test: z.array(z.string()), interval: z.string(), timeout: z.string(), retries: z.number() })
    .optional(),
  read_only: z.boolean().default(false),
  cap_drop: z.array(z.string()).default([]),
  security_opt: z.array(z.string()).default([]),
  stop_grace_period: z.string().optional(),
});

const composeFile = z.strictObject({
  services: z.record(z.string(), service),
  volumes: z.record(z.string(), z.null()),
});

export type Service = z.output<typeof service>;

export interface Mount {
  readonly service: string;
  /** A path of the repository, or the name of a volume. */
  readonly from: string;
  readonly named: boolean;
  readonly to: string;
  readonly readOnly: boolean;
}

export interface ComposeFile {
  readonly services: Readonly<Record<string, Service>>;
  readonly volumes: readonly string[];
  readonly mounts: readonly Mount[];
}

export function readCompose(): ComposeFile {
  const { services, volumes } = composeFile.parse(parse(readFileSync(join(ROOT, 'docker-compose.yml'), 'utf8')));
  const mounts = Object.entries(services).flatMap(([name, { volumes: lines }]) =>
    lines.map((line) => mount(name, line)),
  );
  return { services, volumes: Object.keys(volumes), mounts };
}

export function serviceOf({ services }: ComposeFile, name: string): Service {
  const found = services[name];
  if (found === undefined) throw new Error(`docker-compose.yml has no service ${name}`);
  return found;
}

/** Where a service finds a path of its own: which mount it is, or lies below. */
export function mountedAt({ mounts }: ComposeFile, name: string, path: string): Mount | null {
  return mounts.find(({ service: of, to }) => of === name && (path === to || path.startsWith(`${to}/`))) ?? null;
}

function mount(of: string, line: string): Mount {
  const [from, to, mode, ...more] = line.split(':');
  if (from === undefined || to === undefined || more.length > 0 || (mode !== undefined && mode !== 'ro')) {
    throw new Error(`not a volume: ${line}`);
  }
  return { service: of, from: from.replace(/^\.\//, ''), named: !from.startsWith('.'), to, readOnly: mode === 'ro' };
}

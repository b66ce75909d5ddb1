import type { Command } from 'commander';
import type { Config } from '../config/config.ts';
import type { Logger } from '../observe/log.ts';
import type { GatewayClient } from './client.ts';

/** Everything a command touches outside itself, so that a test can stand in for it. */
export interface Io {
  stdout(text: string): void;
  stderr(text: string): void;
  readonly env: NodeJS.ProcessEnv;
  readonly cwd: string;
  now(): number;
  sleep(duration_ms: number): Promise<void>;
  /** Aborted by Ctrl-C or SIGTERM. */
  readonly stop: AbortSignal;
}

/** What needs no running gateway, and what starts one. `main.ts` brings them. */
export interface Rooms {
  readonly version: string;
  startGateway(options: { configPath: string; env: NodeJS.ProcessEnv; log: Logger }): Promise<RunningGateway>;
  /** Compiles the policies of a configuration: how many rules, what is worth saying, everything that is wrong. */
  checkPolicies(config: Config): Promise<PolicyCheck>;
  verifyLog(options: VerifyLogOptions): Promise<VerifiedLog>;
  /** What is wrong with a bundle that proves a session; nothing when it holds. */
  checkBundle(bundle: unknown, vkey: string): Promise<readonly string[]>;
  /** The guided tour; gives the exit code. Absent where it is not installed: it needs the development packages. */
  demo?(options: { readonly interactive: boolean; readonly io: Io }): Promise<number>;
}

export interface RunningGateway {
  readonly addresses: Readonly<Record<string, string>>;
  stop(reason: string): Promise<void>;
  reload(): Promise<unknown>;
}

export interface PolicyCheck {
  readonly rules: number;
  readonly problems: readonly { readonly file: string; readonly line: number; readonly message: string }[];
  readonly notes: readonly string[];
}

export interface VerifyLogOptions {
  readonly directory: string;
  readonly vkey: string;
  readonly since: readonly string[];
  readonly requireAnchor: boolean;
}

export interface VerifiedLog {
  readonly whole: boolean;
  readonly exitCode: 0 | 1 | 2;
  readonly origin: string | null;
  readonly size: number;
  readonly root: string | null;
  readonly firstBad: number | null;
  readonly problems: readonly {
    readonly entry: number | null;
    readonly path: string | null;
    readonly message: string;
  }[];
  readonly problemsMore: number;
  readonly unsigned: number;
  readonly anchored: boolean;
  readonly notes: readonly string[];
}

export interface Context {
  readonly io: Io;
  readonly rooms: Rooms;
  /** The gateway that the options and the environment of this call name. */
  client(command: Command): GatewayClient;
  /** `--json` was given. */
  wantsJson(command: Command): boolean;
  /** The configuration file named by `--config` or SALLYPORT_CONFIG. */
  configPath(command: Command): string | null;
  /** The exit code of a command whose answer is no failure and yet not good: a log that does not verify. */
  finish(code: number): void;
  /** A path as the user wrote it, from where he is. */
  path(written: string): string;
}

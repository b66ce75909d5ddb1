import { type ErrorCode, GatewayError } from '../core/errors.ts';
import { escapeControls } from '../observe/redaction.ts';

/** A command that did not do what it was asked: one line, a hint, an exit code. */
export class CommandFailure extends Error {
  readonly code: string;
  readonly hint: string;
  /** 1 failed, 2 not understood. */
  readonly exitCode: 1 | 2;
  /** Where several things are wrong at once. */
  readonly problems: readonly string[];

  constructor(code: string, message: string, hint = '', exitCode: 1 | 2 = 1, problems: readonly string[] = []) {
    super(message);
    this.code = code;
    this.hint = hint;
    this.exitCode = exitCode;
    this.problems = problems;
  }
}

export function usage(message: string, hint = ''): CommandFailure {
  return new CommandFailure('USAGE', message, hint, 2);
}

/** The line a failure ends with. A stack is for who asked for it with --debug. */
export function describeFailure(error: unknown, debug: boolean): { readonly text: string; readonly exitCode: 1 | 2 } {
  const failure = asFailure(error);
  const lines = [
    ...failure.problems.map(escapeControls),
    `sallyport: ${escapeControls(failure.code)}: ${escapeControls(failure.message)}`,
  ];
  if (failure.hint !== '') lines.push(`  ${escapeControls(failure.hint)}`);
  if (debug && error instanceof Error && error.stack !== undefined) lines.push(error.stack);
  return { text: `${lines.join('\n')}\n`, exitCode: failure.exitCode };
}

function asFailure(error: unknown): CommandFailure {
  if (error instanceof CommandFailure) return error;
  if (error instanceof GatewayError) return new CommandFailure(error.code, error.message, HINTS[error.code] ?? '');
  const message = error instanceof Error ? error.message : String(error);
  return new CommandFailure('INTERNAL', message, 'this is a bug; --debug shows where');
}

const HINTS: { readonly [Code in ErrorCode]?: string } = {
  RECORD_LOCKED: 'one gateway for one data_dir: look for a second sallyport serve',
};

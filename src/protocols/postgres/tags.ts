/** The tags of the messages that are told apart without being decoded (manual, "Message Formats"). */

// From the client.
export const SYNC = 0x53;
export const FLUSH = 0x48;
export const TERMINATE = 0x58;
export const PASSWORD = 0x70;
export const COPY_FAIL = 0x66;

// From either.
export const COPY_DATA = 0x64;
export const COPY_DONE = 0x63;

// From the target.
export const DATA_ROW = 0x44;
export const ROW_DESCRIPTION = 0x54;
export const BACKEND = {
  PARSE_COMPLETE: 0x31,
  BIND_COMPLETE: 0x32,
  CLOSE_COMPLETE: 0x33,
  NOTIFICATION: 0x41,
  COMMAND_COMPLETE: 0x43,
  DATA_ROW: 0x44,
  ERROR: 0x45,
  COPY_IN: 0x47,
  COPY_OUT: 0x48,
  EMPTY_QUERY: 0x49,
  NOTICE: 0x4e,
  PARAMETER_STATUS: 0x53,
  ROW_DESCRIPTION: 0x54,
  FUNCTION_RESULT: 0x56,
  READY: 0x5a,
  NO_DATA: 0x6e,
  PORTAL_SUSPENDED: 0x73,
  PARAMETER_DESCRIPTION: 0x74,
} as const;

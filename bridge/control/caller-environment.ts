/**
 * Holds variables of the caller that this process must not see: `name=value` with a NUL behind each, in base64.
 * Children of the bus inherit it, so that services get it whichever process starts them.
 */
export const CALLER_ENVIRONMENT = 'BUS1_CALLER_ENVIRONMENT';

/** Set by the launcher: names of variables that are about the bus alone, so that services do not get them. */
const OWN_VARIABLES = 'BUS1_OWN_VARIABLES';

/** Variables that Node, libuv and OpenSSL read: "Environment variables" of node(1), and of their manuals. */
const STEERING = /^(?:NODE_|UV_|OPENSSL_|SSL_CERT_|V8_|WATCH_REPORT_DEPENDENCIES$)/;

/** Variables of other programs, or about what a bus never does: TLS, a prompt, colours. */
const HARMLESS = new Set([
  'NODE_DISABLE_COLORS',
  'NODE_ENV',
  'NODE_EXTRA_CA_CERTS',
  'NODE_HOME',
  'NODE_NO_WARNINGS',
  'NODE_REPL_HISTORY',
  'NODE_TLS_REJECT_UNAUTHORIZED',
  'NODE_VERSION',
  'SSL_CERT_DIR',
  'SSL_CERT_FILE',
]);

/** Whether a variable of this name steers Node, rather than the programs that run on it. */
export function steersNode(name: string): boolean {
  return STEERING.test(name) && !HARMLESS.has(name);
}

/** Set by the launcher, which is a shell: variables that a shell sets count only if they are among the entries. */
const LAUNCHER = 'BUS1_LAUNCHER';
const SHELL_VARIABLES = ['OLDPWD', 'PWD', 'SHLVL', '_'];

export function encodeEntries(entries: Iterable<readonly [string, string]>): string {
  const text = [...entries].map(([name, value]) => `${name}=${value}\0`).join('');
  return Buffer.from(text).toString('base64');
}

/** The environment that the bus was started in, for the programs that it starts. */
export function callerEnvironment(environment: NodeJS.ProcessEnv): NodeJS.ProcessEnv {
  const {
    [CALLER_ENVIRONMENT]: encoded,
    [LAUNCHER]: launcher,
    [OWN_VARIABLES]: names,
    ...own
  } = environment;
  if (names !== undefined) for (const name of names.split(' ')) delete own[name];
  if (launcher !== undefined) for (const name of SHELL_VARIABLES) delete own[name];
  if (encoded === undefined) return own;
  const text = Buffer.from(encoded, 'base64').toString();
  const entries = text.split('\0').flatMap((entry) => {
    const end = entry.indexOf('=');
    return end > 0 ? [[entry.slice(0, end), entry.slice(end + 1)] as const] : [];
  });
  return { ...own, ...Object.fromEntries(entries) };
}

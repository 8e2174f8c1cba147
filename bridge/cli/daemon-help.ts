export const DAEMON_HELP = `Usage: bus1-dbus-daemon (--session | --system | --config-file=FILE) [OPTION...]

A D-Bus message bus with the command line of dbus-daemon(1).

  --session               use the configuration of the session bus
  --system                use the configuration of the system bus
  --config-file=FILE      use FILE: busconfig XML, or policy YAML
  --address=ADDRESS       listen there instead of at the <listen> addresses
  --print-address[=FD]    print the address, to standard output or descriptor FD
  --print-pid[=FD]        print the process ID
  --fork, --nofork        run in the background or not, whatever the configuration says
  --nopidfile             write no pid file
  --syslog                log to the system log, too
  --syslog-only           log to the system log, not to standard error
  --nosyslog              log to standard error only
  --log-level=LEVEL       trace, debug, info, notice, warn, error, fatal or silent (or set BUS1_LOG)
  --systemd-activation    let systemd start services that name a unit
  --introspect            print the introspection data of the bus itself
  --version, --help

SIGHUP reloads the configuration; SIGTERM stops the bus.
`;

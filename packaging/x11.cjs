// Where dbus-next has an address from an X11 display, it asks whether this package is installed by this value.
module.exports = null;

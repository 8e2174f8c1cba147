"""upowerd on a machine with a battery and a lit keyboard, which umockdev makes up.

SIGUSR1 plugs in a second battery, SIGUSR2 takes it out.
"""

import ctypes
import signal
import subprocess

import gi

gi.require_version('UMockdev', '1.0')
from gi.repository import UMockdev

PR_SET_PDEATHSIG = 1  # prctl(2)
ORDERS = {signal.SIGUSR1, signal.SIGUSR2, signal.SIGTERM}
BATTERY = {
    'type': 'Battery',
    'present': '1',
    'status': 'Discharging',
    'energy_full': '60000000',
    'energy_full_design': '80000000',
    'energy_now': '48000000',
    'voltage_now': '12000000',
}
KEYBOARD = {'brightness': '1', 'max_brightness': '3'}

# Before there are threads: umockdev has some of its own, which inherit this.
signal.pthread_sigmask(signal.SIG_BLOCK, ORDERS)
machine = UMockdev.Testbed.new()


def add(subsystem, name, attributes):
    """Adds a device and returns where it is in /sys."""
    pairs = [word for pair in attributes.items() for word in pair]
    return machine.add_device(subsystem, name, None, pairs, [])


def add_battery(name):
    return add('power_supply', name, {**BATTERY, 'model_name': f'Model {name}'})


def prepare():
    signal.pthread_sigmask(signal.SIG_UNBLOCK, ORDERS)
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


add_battery('BAT0')
add('leds', 'test::kbd_backlight', KEYBOARD)
upowerd = subprocess.Popen(['/usr/libexec/upowerd'], preexec_fn=prepare)
while (order := signal.sigwait(ORDERS)) != signal.SIGTERM:
    if order == signal.SIGUSR1:
        second = add_battery('BAT1')
    else:
        machine.uevent(second, 'remove')
        machine.remove_device(second)
upowerd.terminate()
upowerd.wait()

#!/usr/bin/env bash
# vm.sh boot DIR   boots Debian's cloud kernel on the files of DIR
#
# DIR holds tests/*.test (static test binaries), prebuilt/ (what the tests would
# have the Go toolchain build, by the last name of its package) and flags (each
# test's, a line "NAME FLAGS"). Their output is this script's; the last line of a
# test is "== NAME rc=N". Nothing of this machine is in the guest's reach.
# As root on Debian, what is missing is installed and the kernel is downloaded.
set -euo pipefail

packages=(qemu-system-x86 busybox-static cpio kmod e2fsprogs)
modules=(overlay veth bridge br_netfilter nf_tables nft_chain_nat nft_masq nft_nat nft_fib_ipv4 nft_fib_inet nft_ct nf_conntrack_netlink loop ext4 quota_v2)

say() { echo "vm.sh: $*" >&2; }

install_missing() {
  local p missing=() apt=(env DEBIAN_FRONTEND=noninteractive apt-get -qq -o DPkg::Lock::Timeout=120)
  for p in "${packages[@]}"; do
    dpkg-query -W -f '${db:Status-Status}' "$p" 2>/dev/null | grep -qx installed || missing+=("$p")
  done
  if [ ${#missing[@]} = 0 ]; then return; fi
  say "installing ${missing[*]}"
  { "${apt[@]}" update && "${apt[@]}" install -y --no-install-recommends "${missing[@]}"; } >"$1/apt.log" 2>&1 ||
    { say "apt-get: $(tail -n 3 "$1/apt.log")" && return 1; }
}

# unpack_kernel puts Debian's newest cloud kernel below DIR and prints its version.
unpack_kernel() {
  local name
  name=$(apt-cache depends linux-image-cloud-amd64 | sed -n 's/.*Depends: \(linux-image-.*\)/\1/p' | head -n 1)
  if [ -z "$name" ]; then
    apt-get -qq update >/dev/null
    name=$(apt-cache depends linux-image-cloud-amd64 | sed -n 's/.*Depends: \(linux-image-.*\)/\1/p' | head -n 1)
  fi
  mkdir -p "$1"
  (cd "$1" && apt-get -qq -o APT::Sandbox::User=root download "$name" && dpkg -x "$name"_*.deb .) >&2
  depmod -b "$1" "${name#linux-image-}"
  echo "${name#linux-image-}"
}

# guest_root fills the guest's file system.
guest_root() {
  local root=$1 kernel=$2 version=$3 n=0 file
  mkdir -p "$root"/{bin,proc,sys,dev,tmp,run,etc,new,lib/modules}
  cp "$(command -v busybox)" "$root/bin/busybox"
  ln -s busybox "$root/bin/sh"
  for m in "${modules[@]}"; do
    modprobe -d "$kernel" -S "$version" --show-depends "$m" | sed -n 's/^insmod \([^ ]*\).*/\1/p'
  done | awk '!seen[$0]++' | while read -r file; do
    n=$((n + 1))
    cp "$file" "$root/lib/modules/$(printf %03d $n).ko"
  done
  guest_go >"$root/bin/go"
  guest_mkfs >"$root/bin/mkfs.ext4"
  guest_init >"$root/init"
  chmod +x "$root/bin/go" "$root/bin/mkfs.ext4" "$root/init"
}

# guest_go stands for the toolchain in the guest: what is built was built before.
guest_go() {
  cat <<'GO'
#!/bin/sh
while [ $# -gt 0 ]; do
  case "$1" in -o) out=$2; shift ;; esac
  last=$1; shift
done
exec cp "/prebuilt/${last##*/}" "$out"
GO
}

# guest_mkfs stands for mkfs.ext4 in the guest, as the tests of quotas call it.
guest_mkfs() {
  cat <<'MKFS'
#!/bin/sh
for last; do :; done
exec cp /prebuilt/ext4.img "$last"
MKFS
}

# guest_init is the guest's first process. The first root of a kernel cannot be
# pivoted away from, so it goes on in another.
guest_init() {
  cat <<'INIT'
#!/bin/busybox sh
/bin/busybox --install -s /bin 2>/dev/null
export PATH=/bin HOME=/tmp TMPDIR=/tmp
if [ "$1" != again ]; then
  mount -t tmpfs -o size=90% root /new
  cp -a /bin /prebuilt /tests /lib /etc /init /flags /new/
  mkdir -p /new/proc /new/sys /new/dev /new/tmp /new/run
  exec switch_root /new /init again
fi
mount -t proc proc /proc
mount -t sysfs sys /sys
mount -t devtmpfs dev /dev
mkdir -p /dev/pts /dev/shm
mount -t devpts pts /dev/pts
mount -t tmpfs shm /dev/shm
mount -t cgroup2 cgroup2 /sys/fs/cgroup
mkdir /sys/fs/cgroup/init
echo 1 >/sys/fs/cgroup/init/cgroup.procs
chmod 1777 /tmp
ip link set lo up
ulimit -n 1048576
for m in /lib/modules/*.ko; do insmod "$m"; done
echo "Linux $(uname -r), controllers: $(cat /sys/fs/cgroup/cgroup.controllers)"
cd /tests
while read -r name flags; do
  "./$name.test" -test.v $flags
  echo "== $name rc=$?"
done </flags
poweroff -f
INIT
}

boot() {
  local dir=$1 version accel=tcg,thread=multi
  install_missing "$dir"
  version=$(unpack_kernel "$dir/kernel")
  guest_root "$dir/root" "$dir/kernel" "$version"
  truncate -s 64M "$dir/prebuilt/ext4.img"
  /sbin/mkfs.ext4 -q -O quota,project -E quotatype=prjquota "$dir/prebuilt/ext4.img"
  mv "$dir/tests" "$dir/prebuilt" "$dir/flags" "$dir/root/"
  (cd "$dir/root" && find . | cpio -o -H newc --quiet | gzip -1) >"$dir/initrd.gz"
  exec qemu-system-x86_64 -accel "$accel" -cpu Nehalem -smp 2 -m 4096 -nographic -no-reboot -nic none \
    -kernel "$dir/kernel/boot/vmlinuz-$version" -initrd "$dir/initrd.gz" \
    -append "console=ttyS0 quiet panic=-1 cgroup_no_v1=all"
}

case "${1-}" in
boot) boot "$2" </dev/null ;;
*) sed -n '2s/^# //p' "$0" >&2 && exit 64 ;;
esac

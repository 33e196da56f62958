/* SPDX-License-Identifier: GPL-2.0 */
/* vDPA devices: made and ended by generic netlink, and driven through vhost-vdpa. */
#ifndef SELFTESTS_VDPA_H
#define SELFTESTS_VDPA_H

#include "virtq.h"

#include <linux/genetlink.h>
#include <linux/netlink.h>
#include <linux/vdpa.h>
#include <linux/virtio_ids.h>
#include <sys/socket.h>

#define VDPA_FEATURES	((1ull << VIRTIO_F_VERSION_1) | (1ull << VIRTIO_F_ACCESS_PLATFORM))

/* A request of generic netlink, and then the answer to it. */
struct genl {
	struct nlmsghdr nlh;
	struct genlmsghdr head;
	char attrs[1024];
};

static inline void genl_start(struct genl *msg, uint16_t family, uint8_t cmd)
{
	memset(msg, 0, sizeof(*msg));
	msg->nlh.nlmsg_len = NLMSG_LENGTH(GENL_HDRLEN);
	msg->nlh.nlmsg_type = family;
	msg->nlh.nlmsg_flags = NLM_F_REQUEST | NLM_F_ACK;
	msg->head.cmd = cmd;
	msg->head.version = 1;
}

static inline void genl_string(struct genl *msg, uint16_t type, const char *string)
{
	struct nlattr *attr = (void *)((char *)msg + NLMSG_ALIGN(msg->nlh.nlmsg_len));

	attr->nla_type = type;
	attr->nla_len = NLA_HDRLEN + strlen(string) + 1;
	memcpy((char *)attr + NLA_HDRLEN, string, strlen(string) + 1);
	msg->nlh.nlmsg_len = NLMSG_ALIGN(msg->nlh.nlmsg_len) + NLA_ALIGN(attr->nla_len);
}

/* Sends @msg and receives the first message that is sent for it: 0 or -errno. */
static inline int genl_ask(struct genl *msg)
{
	struct timeval bound = { .tv_sec = WAIT_MS / 1000 };
	int sock = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_GENERIC);
	int ret;

	if (sock < 0)
		return -errno;
	setsockopt(sock, SOL_SOCKET, SO_RCVTIMEO, &bound, sizeof(bound));
	ret = RET(send(sock, msg, msg->nlh.nlmsg_len, 0));
	if (ret > 0)
		ret = RET(recv(sock, msg, sizeof(*msg), 0));
	close(sock);
	if (ret < 0)
		return ret;
	if (msg->nlh.nlmsg_type != NLMSG_ERROR)
		return 0;
	return ((struct nlmsgerr *)NLMSG_DATA(&msg->nlh))->error;
}

/* The number of the family "vdpa", or -errno. */
static inline int vdpa_family(void)
{
	struct nlattr *attr;
	struct genl msg;
	char *p, *end;
	int ret;

	genl_start(&msg, GENL_ID_CTRL, CTRL_CMD_GETFAMILY);
	genl_string(&msg, CTRL_ATTR_FAMILY_NAME, VDPA_GENL_NAME);
	ret = genl_ask(&msg);
	if (ret)
		return ret;
	end = (char *)&msg + msg.nlh.nlmsg_len;
	for (p = msg.attrs; p + NLA_HDRLEN < end; p += NLA_ALIGN(attr->nla_len)) {
		attr = (void *)p;
		if (attr->nla_type == CTRL_ATTR_FAMILY_ID)
			return *(uint16_t *)(p + NLA_HDRLEN);
		if (attr->nla_len < NLA_HDRLEN)
			break;
	}
	return -EPROTO;
}

/* Makes device @name, of the kind @parent. */
static inline int vdpa_new(const char *parent, const char *name)
{
	int family = vdpa_family();
	struct genl msg;

	if (family < 0)
		return family;
	genl_start(&msg, family, VDPA_CMD_DEV_NEW);
	genl_string(&msg, VDPA_ATTR_MGMTDEV_DEV_NAME, parent);
	genl_string(&msg, VDPA_ATTR_DEV_NAME, name);
	return genl_ask(&msg);
}

static inline int vdpa_del(const char *name)
{
	int family = vdpa_family();
	struct genl msg;

	if (family < 0)
		return family;
	genl_start(&msg, family, VDPA_CMD_DEV_DEL);
	genl_string(&msg, VDPA_ATTR_DEV_NAME, name);
	return genl_ask(&msg);
}

/* The vhost-vdpa device that drives @name, open; or -errno. */
static inline int vdpa_open(const char *name)
{
	char path[300];
	struct dirent *entry;
	int ret = -ENODEV;
	DIR *dir;

	snprintf(path, sizeof(path), "/sys/bus/vdpa/devices/%s", name);
	dir = opendir(path);
	while (dir && (entry = readdir(dir)))
		if (!strncmp(entry->d_name, "vhost-vdpa-", 11)) {
			snprintf(path, sizeof(path), "/dev/%.200s", entry->d_name);
			ret = RET(open(path, O_RDWR | O_CLOEXEC));
			break;
		}
	if (dir)
		closedir(dir);
	return ret;
}

static inline int vdpa_set_status(int dev, uint8_t status)
{
	return RET(ioctl(dev, VHOST_VDPA_SET_STATUS, &status));
}

#define VDPA_READY \
	(VIRTIO_CONFIG_S_ACKNOWLEDGE | VIRTIO_CONFIG_S_DRIVER | VIRTIO_CONFIG_S_FEATURES_OK)

/* Up to the point where rings are set up. */
static inline int vdpa_init(int dev)
{
	uint64_t features = VDPA_FEATURES;

	return RET(ioctl(dev, VHOST_SET_OWNER)) ?:
	       vdpa_set_status(dev, VDPA_READY & ~VIRTIO_CONFIG_S_FEATURES_OK) ?:
	       RET(ioctl(dev, VHOST_SET_FEATURES, &features)) ?:
	       vdpa_set_status(dev, VDPA_READY);
}

static inline int vdpa_run(int dev)
{
	return vdpa_set_status(dev, VDPA_READY | VIRTIO_CONFIG_S_DRIVER_OK);
}

/* The device may use this memory, at its own addresses. */
static inline int vdpa_map(int dev, void *mem, size_t len)
{
	struct vhost_msg msg = {
		.type = VHOST_IOTLB_MSG,
		.iotlb = {
			.iova = (uintptr_t)mem,
			.size = len,
			.uaddr = (uintptr_t)mem,
			.perm = VHOST_ACCESS_RW,
			.type = VHOST_IOTLB_UPDATE,
		},
	};
	ssize_t ret = RET(write(dev, &msg, sizeof(msg)));

	return ret < 0 ? ret : 0;
}

static inline int vdpa_enable(int dev, unsigned int index)
{
	return vring_state(dev, VHOST_VDPA_SET_VRING_ENABLE, index, 1);
}

static inline int vdpa_set_kick(int dev, unsigned int index, int fd)
{
	return vring_fd(dev, VHOST_SET_VRING_KICK, index, fd);
}

static inline int vdpa_set_call(int dev, unsigned int index, int fd)
{
	return vring_fd(dev, VHOST_SET_VRING_CALL, index, fd);
}

static inline int vdpa_set_config_call(int dev, int fd)
{
	return RET(ioctl(dev, VHOST_VDPA_SET_CONFIG_CALL, &fd));
}

#endif /* SELFTESTS_VDPA_H */

// SPDX-License-Identifier: GPL-2.0
/*
 * libanswer.c - a shared library whose image the tests copy onto the device, to execute it there
 *
 * It spans several pages of code and constants, so that there is something to read only once. The
 * constants are hidden: they are found without a relocation, as the tour runs it without a linker.
 */
#ifndef VMDEMO_TEST_PAGE
#define VMDEMO_TEST_PAGE	4096
#endif
#define PAGE	VMDEMO_TEST_PAGE

__attribute__((visibility("hidden"))) const unsigned char vmdemo_table[4 * PAGE] = {
	[0] = 1, [PAGE] = 2, [2 * PAGE] = 4, [3 * PAGE] = 8, [4 * PAGE - 1] = 27,
};

int vmdemo_answer(void)
{
	unsigned int i;
	int sum = 0;

	for (i = 0; i < sizeof(vmdemo_table); i++)
		sum += vmdemo_table[i];
	return sum;
}
